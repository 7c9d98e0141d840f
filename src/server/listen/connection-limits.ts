import { descriptorLimit } from '../../host/descriptor-limit.ts';
import type { PoolLimits } from './stranger-pool.ts';

/** How many connections one server keeps at once. */
export interface ConnectionLimits {
  /** Not authenticated yet, from addresses of which nothing is known. */
  readonly strangers: PoolLimits;
  /** Not authenticated yet, from known addresses; these have places of their own. */
  readonly known: PoolLimits;
  /** New connections that are served each second, from addresses of which nothing is known. */
  readonly arrivalsPerSecond: number;
  /** Authenticated peers that may propagate. */
  readonly propagations: number;
  readonly propagationsPerClient: number;
}

/** As ServeOptions names them. */
export interface GivenLimits {
  readonly maxUnauthenticated?: number | undefined;
  readonly maxPerAddress?: number | undefined;
  readonly maxArrivalsPerSecond?: number | undefined;
  readonly maxPropagations?: number | undefined;
  readonly maxPropagationsPerClient?: number | undefined;
}

/** Descriptors that Node, the log, a loader and the files of the database need. */
const reservedDescriptors = 128;
/** Descriptors of one propagation: the socket, the spool file, and those that a load opens. */
const descriptorsOfPropagation = 4;
const least = 2;

/**
 * The limits that were given or else the usual ones, cut down to the descriptors that this process
 * may have: half of them for strangers, an eighth for known addresses, a quarter for propagations.
 * A stranger has two descriptors for the moment of its accept, and one after that.
 *
 * A stranger costs 50 kB and up to a millisecond: 256 of them 13 MB, 200 a second a fifth of a core.
 *
 * A primary propagates once at a time. 64 at once is room for every overlap of several primaries,
 * and 16 of one client for a primary that is started again and again while the replica loads.
 */
export function connectionLimits(
  given: GivenLimits,
  descriptors = descriptorLimit(),
): ConnectionLimits {
  const spare = Math.max(descriptors - reservedDescriptors, descriptors / 4);
  const share = (part: number) => Math.max(Math.floor(spare * part), least);
  const total = Math.max(Math.min(given.maxUnauthenticated ?? 256, share(1 / 2)), 1);
  const knownTotal = Math.min(Math.max(Math.ceil(total / 4), 8), share(1 / 8));
  const propagations = share(1 / 4 / descriptorsOfPropagation);
  return {
    strangers: { total, perGroup: Math.min(given.maxPerAddress ?? 32, total) },
    // Known hosts are few, so one of them may use half of the places kept for them.
    known: { total: knownTotal, perGroup: Math.ceil(knownTotal / 2) },
    arrivalsPerSecond: given.maxArrivalsPerSecond ?? 200,
    propagations: Math.min(given.maxPropagations ?? 64, propagations),
    propagationsPerClient: given.maxPropagationsPerClient ?? 16,
  };
}

import { KpropError } from '../../errors/kprop-error.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import {
  isoMicros,
  microsOf,
  type ReplicaState,
  readState,
  writeState,
} from '../spool/state-file.ts';

/** One propagation in the order of all. */
export interface Arrival {
  readonly client: string;
  /** The authenticator's time, microseconds since 1970. */
  readonly authenticatedMicros: number;
  /** Counts the authenticated connections of this process. */
  readonly number: number;
  /** The state file cannot be used: worth a word, and no reason to refuse anybody. */
  readonly onTrouble: (error: unknown) => void;
}

export interface LoadOrderOptions {
  /** The file that keeps the order for other processes, and past a restart. */
  readonly path: string;
  readonly ambient: Ambient;
  readonly clockSkewSeconds: number;
  /** A clock that nobody sets; performance.now() unless given. */
  readonly monotonicMillis?: (() => number) | undefined;
}

/** kprop takes over the KDC's clock in whole seconds: two times so near say nothing. */
const marginMicros = 2_000_000;
/** As many as are permitted have one; a file must not grow without end for all that. */
const clientLimit = 64;

/**
 * An older propagation never replaces a newer one. Of one client, the authenticators' times decide:
 * a request may have been held back on the way. Of different clients, whose clocks may differ, and
 * where the times are too near, it is the order in which they authenticated here.
 */
export class LoadOrder {
  readonly #o: LoadOrderOptions;
  readonly #monotonicMillis: () => number;
  #arrived = 0;
  /** The last of each client that was loaded here. */
  readonly #loaded = new Map<string, number>();
  /** What both clocks showed at one moment. */
  #mark: { readonly micros: number; readonly monotonicMillis: number };

  constructor(o: LoadOrderOptions) {
    this.#o = o;
    this.#monotonicMillis = o.monotonicMillis ?? (() => performance.now());
    this.#mark = this.#moment();
  }

  arrive(o: Omit<Arrival, 'number'>): Arrival {
    this.#arrived += 1;
    return { ...o, number: this.#arrived };
  }

  /** Passes the propagation that may be loaded now. @throws spool.superseded */
  async requireNewest(arrival: Arrival): Promise<void> {
    const { client, authenticatedMicros } = arrival;
    const overtaken = [...this.#loaded].some(
      ([other, number]) => other !== client && number > arrival.number,
    );
    const newest = await this.#newestOf(arrival);
    const laterMicros = newest === undefined ? 0 : authenticatedMicros - newest;
    const arrivedLast = arrival.number > (this.#loaded.get(client) ?? 0);
    const isNewest = laterMicros > marginMicros || (laterMicros >= -marginMicros && arrivedLast);
    if (isNewest && !overtaken) return;
    const times =
      newest === undefined || isNewest
        ? {}
        : { authenticated: isoMicros(authenticatedMicros), newest: isoMicros(newest) };
    throw new KpropError('spool.superseded', { client, ...times });
  }

  /** Notes that the propagation has been loaded. */
  async noteLoaded(arrival: Arrival, bytes: number): Promise<void> {
    const { client, authenticatedMicros } = arrival;
    this.#loaded.set(client, Math.max(this.#loaded.get(client) ?? 0, arrival.number));
    this.#mark = this.#moment();
    const authenticated = isoMicros(authenticatedMicros);
    const at = isoMicros(this.#mark.micros);
    const before = await this.#state(arrival);
    const others = Object.entries(before.newest ?? {})
      .filter(([name]) => name !== client)
      .slice(1 - clientLimit);
    const newest = Object.fromEntries([...others, [client, authenticated]]);
    const lastLoaded = { client, authenticated, at, bytes };
    await writeState(this.#o.path, { ...before, lastLoaded, newest }).catch(arrival.onTrouble);
  }

  /** The time of the client's newest one, by the clock as it is now. */
  async #newestOf(arrival: Arrival): Promise<number | undefined> {
    const { client } = arrival;
    const { newest } = await this.#state(arrival);
    if (newest === undefined || !Object.hasOwn(newest, client)) return undefined;
    const noted = microsOf(newest[client]);
    if (noted === undefined) return undefined;
    const { micros, monotonicMillis } = this.#moment();
    const passedMicros = (monotonicMillis - this.#mark.monotonicMillis) * 1000;
    const setBackMicros = this.#mark.micros + passedMicros - micros;
    const then = setBackMicros > marginMicros ? noted - setBackMicros : noted;
    // No authenticator of such a time can be accepted: the clock was set back while nobody looked.
    return then > micros + this.#o.clockSkewSeconds * 1_000_000 ? undefined : then;
  }

  async #state({ onTrouble }: Arrival): Promise<ReplicaState> {
    try {
      return await readState(this.#o.path);
    } catch (error) {
      onTrouble(error);
      return {};
    }
  }

  #moment() {
    return { micros: this.#o.ambient.nowMicros(), monotonicMillis: this.#monotonicMillis() };
  }
}

import { KpropError } from '../../errors/kprop-error.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import {
  isoMicros,
  microsOf,
  type ReplicaState,
  readState,
  writeState,
} from '../spool/state-file.ts';

/** One propagation, and what decides its place in the order of all. */
export interface Arrival {
  readonly client: string;
  /** The authenticator's time, microseconds since 1970. */
  readonly authenticatedMicros: number;
  /** Counts the authenticated connections of this process. */
  readonly number: number;
  /** Called if the state file cannot be used, which is reported but refuses nobody. */
  readonly onTrouble: (error: unknown) => void;
}

export interface LoadOrderOptions {
  /** The file that keeps the order across processes and restarts. */
  readonly path: string;
  readonly ambient: Ambient;
  readonly clockSkewSeconds: number;
  /** A clock that cannot be set; performance.now() unless given. */
  readonly monotonicMillis?: (() => number) | undefined;
}

/** kprop corrects its clock by whole seconds, so times closer than this cannot be compared. */
const marginMicros = 2_000_000;
/** Every permitted client has an entry, but the file must not grow without limit. */
const clientLimit = 64;

/**
 * An older propagation never replaces a newer one. Between propagations of one client, the times of
 * their authenticators decide, because a request may have been held back on the way. Between clients,
 * whose clocks may differ, and when the times are too close, the order of authentication here decides.
 */
export class LoadOrder {
  readonly #o: LoadOrderOptions;
  readonly #monotonicMillis: () => number;
  #arrived = 0;
  /** For each client, the number of its last propagation that was loaded here. */
  readonly #loaded = new Map<string, number>();
  /** The readings of both clocks at one moment. */
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

  /** @throws spool.superseded if a newer propagation has been loaded */
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

  /** The time of the client's newest propagation, by the clock as it is now. */
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
    // No authenticator of such a time could be accepted now: the clock was set back meanwhile.
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

import { Load, type LoadOptions, type LoadRoom } from './load.ts';
import { LoadQueue } from './load-queue.ts';
import type { Arrival } from './order.ts';

export interface LoadsOptions extends Omit<LoadRoom, 'queue'> {
  /** How dumps are loaded, in one line. */
  readonly described: string | undefined;
  /** Gets lines for the administrator. */
  readonly onNotice: (text: string) => void;
}

/** The loads of one replica. */
export class Loads {
  readonly #o: LoadsOptions;
  readonly #room: LoadRoom;

  constructor(o: LoadsOptions) {
    this.#o = o;
    this.#room = { ...o, queue: new LoadQueue() };
  }

  /** Notes when a propagation authenticated: an older one never replaces a newer one. */
  arrive(o: Omit<Arrival, 'number'>): Arrival {
    return this.#room.order.arrive(o);
  }

  /** The load of a dump whose size is known and of which nothing has arrived yet. */
  begin(o: LoadOptions): Load {
    return new Load(this.#room, o);
  }

  /** At the start of a server: repairs what an earlier one left, and reports what it cannot. */
  async inspect(): Promise<void> {
    const { described, onNotice, guard } = this.#o;
    await guard.inspect();
    if (described !== undefined) onNotice(described);
  }

  /** Does work on the live database while no load of this host is made live. */
  between<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { guard, queue } = this.#room;
    return queue.between(async () => {
      await guard.enter({ signal, onWait: async () => undefined });
      try {
        return await work();
      } finally {
        await guard.leave();
      }
    });
  }

  /** Repairs what an earlier load left behind when it was killed. */
  recover(): Promise<void> {
    return this.#room.guard.recover();
  }
}

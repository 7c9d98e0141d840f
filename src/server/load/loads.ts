import { Load, type LoadOptions, type LoadRoom } from './load.ts';
import { LoadQueue } from './load-queue.ts';
import type { Arrival } from './order.ts';

/** The loads of one replica. */
export class Loads {
  readonly #room: LoadRoom;

  constructor(o: Omit<LoadRoom, 'queue'>) {
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
  inspect(): Promise<void> {
    return this.#room.guard.inspect();
  }

  /** Repairs what an earlier load left behind when it was killed. */
  recover(): Promise<void> {
    return this.#room.guard.recover();
  }
}

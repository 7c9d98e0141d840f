import { Queue } from '../queue.ts';
import type { EarlyLoad } from './load-way.ts';

/**
 * The loads of one replica: one at a time, in the order in which their dumps were complete. When
 * nothing is being loaded, a dump that still arrives may be loaded early; but a complete dump goes
 * first, so that a slow sender keeps nobody waiting. Then the early load gives way.
 */
export class LoadQueue {
  readonly #queue = new Queue();
  #complete = 0;
  #early: EarlyLoad | undefined;

  /** What `start` gives; undefined, without a call of it, while others load or wait to. */
  early(start: () => EarlyLoad | undefined): EarlyLoad | undefined {
    if (this.#complete > 0 || this.#early !== undefined) return undefined;
    let load: EarlyLoad | undefined;
    try {
      load = start();
    } catch {
      // Too many descriptors are open. The dump can still be loaded when it is complete.
    }
    this.#early = load;
    void load?.over.then(() => {
      if (this.#early === load) this.#early = undefined;
    });
    return load;
  }

  /** Does work that is no load while none is made live; a load that is under way goes on. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return this.#queue.run(work);
  }

  /** Does the work when the loads before it are done and no early load but `own` is under way. */
  async run<T>(work: () => Promise<T>, own: unknown): Promise<T> {
    this.#complete += 1;
    try {
      return await this.#queue.run(async () => {
        if (this.#early !== own) await this.#early?.giveWay();
        return await work();
      });
    } finally {
      this.#complete -= 1;
    }
  }
}

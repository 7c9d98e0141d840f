import { Turns } from '../turn.ts';
import type { StreamedLoad } from './streamed-load.ts';

/**
 * The loads of one replica: one at a time, in the order in which their dumps were complete. Who
 * finds nobody loading may begin while its dump still arrives; but a dump that is complete goes
 * first, so that a slow sender holds up nobody. The one given up for it is loaded from its file.
 */
export class Loads {
  readonly #turns = new Turns();
  #wanted = 0;
  #streamed: StreamedLoad | undefined;

  /** What `start` gives, unless others load or want to. */
  stream(start: () => StreamedLoad): StreamedLoad | undefined {
    if (this.#wanted > 0 || this.#streamed !== undefined) return undefined;
    let streamed: StreamedLoad;
    try {
      streamed = start();
    } catch {
      // Too many descriptors are open. It can still be loaded when it is complete.
      return undefined;
    }
    this.#streamed = streamed;
    void streamed.over.then(() => {
      if (this.#streamed === streamed) this.#streamed = undefined;
    });
    return streamed;
  }

  /** Does the work when those before it are done; a load that has begun is given up, if it is not `own`. */
  async take<T>(work: () => Promise<T>, own?: StreamedLoad): Promise<T> {
    this.#wanted += 1;
    try {
      return await this.#turns.take(async () => {
        if (this.#streamed !== own) await this.#streamed?.abandon();
        return await work();
      });
    } finally {
      this.#wanted -= 1;
    }
  }
}

import { KpropError } from '../../errors/kprop-error.ts';
import type { ConnectionLimits } from './connection-limits.ts';

/** The propagations under way, by principal. Each holds descriptors and memory. */
export class Propagations {
  readonly #limits: Pick<ConnectionLimits, 'propagations' | 'propagationsPerClient'>;
  readonly #clients = new Map<string, number>();
  #running = 0;

  constructor(limits: Pick<ConnectionLimits, 'propagations' | 'propagationsPerClient'>) {
    this.#limits = limits;
  }

  /** Counts one more of this principal; the function that comes back uncounts it. @throws server.busy */
  enter(client: string): () => void {
    const own = this.#clients.get(client) ?? 0;
    const { propagations, propagationsPerClient } = this.#limits;
    if (own >= propagationsPerClient) {
      const whose = ` of ${client}`;
      throw new KpropError('server.busy', { running: own, limit: propagationsPerClient, whose });
    }
    if (this.#running >= propagations) {
      const detail = { running: this.#running, limit: propagations, whose: '' };
      throw new KpropError('server.busy', detail);
    }
    this.#clients.set(client, own + 1);
    this.#running += 1;
    return () => this.#leave(client);
  }

  #leave(client: string): void {
    const own = this.#clients.get(client) ?? 0;
    if (own > 1) this.#clients.set(client, own - 1);
    else this.#clients.delete(client);
    this.#running -= 1;
  }
}

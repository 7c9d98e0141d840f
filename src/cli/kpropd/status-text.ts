import { KpropError } from '../../errors/kprop-error.ts';
import type { ServerEvent } from '../../server/serve.ts';
import { loadedText, size } from './amounts.ts';

/** A propagation under way. */
interface Running {
  readonly client: string;
  readonly doing: string;
}

/** What kpropd does now, or did last, in the line that `systemctl status` shows. */
export class StatusText {
  readonly #running = new Map<number, Running>();
  readonly #now: () => Date;
  #last = 'waiting for the first propagation';

  constructor(now: () => Date = () => new Date()) {
    this.#now = now;
  }

  get text(): string {
    const running = [...this.#running.values()].filter(({ doing }) => doing !== '');
    return running.length === 0 ? this.#last : running.map(({ doing }) => doing).join('; ');
  }

  /** Whether the text is another one after that. */
  event(event: ServerEvent): boolean {
    const before = this.text;
    this.#note(event);
    return this.text !== before;
  }

  #note(event: ServerEvent): void {
    const { connection } = event;
    const client = this.#running.get(connection)?.client ?? '';
    const does = (doing: string) => this.#running.set(connection, { client, doing });
    switch (event.kind) {
      case 'authenticated':
        this.#running.set(connection, { client: event.client, doing: '' });
        break;
      case 'receiving':
        does(`receiving ${size(event.bytes)} from ${client}`);
        break;
      case 'progress': {
        const percent = Math.floor((100 * event.bytes) / event.total);
        does(`receiving ${size(event.total)} from ${client}: ${percent} %`);
        break;
      }
      case 'received':
        does(`loading ${size(event.bytes)} from ${client}`);
        break;
      case 'loaded':
        this.#last = `${this.#time()}: ${loadedText(event)}`;
        break;
      case 'failed':
        // Whatever strangers do is no news of a propagation.
        if (this.#running.get(connection)?.doing) this.#last = this.#failure(client, event.error);
        break;
      case 'closed':
        this.#running.delete(connection);
        break;
      default:
    }
  }

  #failure(client: string, error: unknown): string {
    const reason = error instanceof KpropError ? error.message : 'see the log';
    return `${this.#time()}: a propagation from ${client} failed: ${reason}`;
  }

  /** Such as 2026-11-30 23:59:59 UTC. */
  #time(): string {
    return `${this.#now().toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  }
}

import type { RunEvent } from '../run/events.ts';
import type { Live, LiveReplica, LiveRun } from './link.ts';

/** What the daemon is doing now. A class, for a propagation has thousands of events in a second. */
export class LiveBoard {
  readonly #onChange: () => void;
  #run: Omit<LiveRun, 'replicas'> | null = null;
  #replicas = new Map<string, LiveReplica>();
  #asked: Live['asked'] = null;
  #nextAt: string | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  snapshot(): Live {
    const replicas = Object.fromEntries(this.#replicas);
    const run = this.#run === null ? null : { ...this.#run, replicas };
    return { run, asked: this.#asked, nextAt: this.#nextAt };
  }

  /** Somebody pressed the button. */
  ask(by: string): void {
    this.#asked = { by, at: new Date().toISOString() };
    this.#onChange();
  }

  begin(reason: string): void {
    this.#run = {
      ...{ since: new Date().toISOString(), reason, by: this.#asked?.by ?? null },
      ...{ generation: null, doing: 'starting', records: 0 },
    };
    this.#replicas = new Map();
    this.#asked = null;
    this.#nextAt = null;
    this.#onChange();
  }

  end(nextMillis: number): void {
    this.#run = null;
    this.#nextAt = new Date(Date.now() + nextMillis).toISOString();
    this.#onChange();
  }

  event(event: RunEvent): void {
    switch (event.kind) {
      case 'notice':
        break;
      case 'generation':
        this.#change({ generation: event.generation });
        break;
      case 'dumping':
        this.#change({ doing: 'dumping', records: event.records });
        break;
      case 'dumped':
        this.#change({ doing: 'sending', generation: event.generation });
        break;
      case 'trying':
        this.#replica(event.host, { ...fresh, attempt: event.attempt });
        break;
      case 'progress': {
        const { doing, bytes, total } = event;
        this.#replica(event.host, { doing, bytes, total, trouble: null });
        break;
      }
      case 'retrying':
        this.#replica(event.host, { doing: 'waiting', trouble: event.message });
        break;
      case 'outcome': {
        const { host, state, error } = event.replica;
        this.#replica(host, { doing: state, trouble: error?.message ?? null });
        break;
      }
    }
  }

  #change(part: Partial<LiveRun>): void {
    if (this.#run !== null) this.#run = { ...this.#run, ...part };
    this.#onChange();
  }

  #replica(host: string, part: Partial<LiveReplica>): void {
    this.#replicas.set(host, { ...fresh, ...this.#replicas.get(host), ...part });
    this.#onChange();
  }
}

const fresh: LiveReplica = { doing: 'connecting', bytes: 0, total: 0, attempt: 1, trouble: null };

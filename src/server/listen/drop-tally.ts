/** Connections that were dropped without a word, for there were too many that did not authenticate. */
export interface DroppedEvent {
  readonly kind: 'dropped';
  readonly count: number;
  /** Where most of them came from, an IPv4 address or an IPv6 /64, and how many. */
  readonly from: string;
  readonly fromCount: number;
  /** Within how long. */
  readonly millis: number;
}

const tellMillis = 10_000;
/** More addresses are not told apart: it is told from where most came, not all. */
const toldApart = 1024;

/** Counts drops, and tells of them once in ten seconds instead of one by one. */
export class DropTally {
  readonly #tell: (event: DroppedEvent) => void;
  #counts = new Map<string, number>();
  #total = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (event: DroppedEvent) => void) {
    this.#tell = tell;
  }

  add(group: string): void {
    if (this.#total === 0) {
      this.#since = performance.now();
      this.#timer = setTimeout(() => this.flush(), tellMillis).unref();
    }
    this.#total += 1;
    const known = this.#counts.get(group);
    if (known !== undefined || this.#counts.size < toldApart) {
      this.#counts.set(group, (known ?? 0) + 1);
    }
  }

  /** Tells of what has not been told yet. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#total === 0) return;
    const [from, fromCount] = [...this.#counts].reduce((most, one) =>
      one[1] > most[1] ? one : most,
    );
    const millis = Math.round(performance.now() - this.#since);
    const count = this.#total;
    this.#counts = new Map();
    this.#total = 0;
    this.#tell({ kind: 'dropped', count, from, fromCount, millis });
  }
}

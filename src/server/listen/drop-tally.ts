/** Connections that were dropped unserved, because too many had not authenticated. */
export interface DroppedEvent {
  readonly kind: 'dropped';
  readonly count: number;
  /** Where most of them came from (an IPv4 address or an IPv6 /64), and how many did. */
  readonly from: string;
  readonly fromCount: number;
  /** The time in which they came. */
  readonly millis: number;
}

const tellMillis = 10_000;
/** How many addresses are counted one by one; that is enough to name the worst. */
const toldApart = 1024;

/** Counts drops, and reports them together, every ten seconds. */
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

  /** Reports the drops that have not been reported yet. */
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

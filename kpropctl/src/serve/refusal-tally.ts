/** Refusals of one kind since the last line about them. */
interface Refusals {
  /** The words for the last one. */
  text: string;
  count: number;
  since: number;
}

/**
 * Tells the first refusal of a kind at once, and those that follow in one line a minute, with their
 * number: a stranger must not be able to fill the log.
 */
export class RefusalTally {
  readonly #tell: (text: string) => void;
  readonly #kinds = new Map<string, Refusals>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  add(kind: string, text: string): void {
    const isNew = !this.#kinds.has(kind);
    const counted = isNew && this.#kinds.size >= mostKinds ? otherKinds : kind;
    const known = this.#kinds.get(counted);
    if (known === undefined) {
      this.#tell(text);
      this.#begin(counted, text);
    } else {
      known.text = text;
      known.count += 1;
    }
  }

  /** Tells the refusals that have not been told yet. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const refusals of this.#kinds.values()) this.#tellCount(refusals);
    this.#timers.clear();
    this.#kinds.clear();
  }

  #begin(kind: string, text: string): void {
    this.#kinds.set(kind, { text, count: 0, since: performance.now() });
    this.#timers.set(kind, setTimeout(() => this.#endMinute(kind), tellMillis).unref());
  }

  #endMinute(kind: string): void {
    const refusals = this.#kinds.get(kind);
    this.#kinds.delete(kind);
    this.#timers.delete(kind);
    // After a minute without any, the next one is the first again.
    if (refusals === undefined || refusals.count === 0) return;
    this.#tellCount(refusals);
    this.#begin(kind, refusals.text);
  }

  #tellCount({ text, count, since }: Refusals): void {
    if (count === 0) return;
    const seconds = Math.round((performance.now() - since) / 1000);
    this.#tell(
      `${text} (${count} more ${count === 1 ? 'time' : 'times'} in the last ${seconds} s)`,
    );
  }
}

const tellMillis = 60_000;
/** How many kinds are told apart: principals of the realm are among them. */
const mostKinds = 64;
const otherKinds = 'others';

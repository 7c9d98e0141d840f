/** What lines are about; each kind has a budget of its own, so that none crowds out another. */
export type LineKind = 'connection' | 'refusal' | 'fault' | 'denied';

/**
 * How many lines others can cause: a token bucket for each kind. `perSecond` lines are let through,
 * after a quiet time `burstSeconds` times as many at once; 0 is without a limit.
 */
export class LineLimit {
  readonly #perSecond: number;
  readonly #nowMillis: () => number;
  readonly #buckets = new Map<LineKind, { lines: number; atMillis: number }>();
  #suppressed = 0;

  constructor(perSecond: number, nowMillis: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#nowMillis = nowMillis;
  }

  /** Whether so many lines of a kind may be written now; counts them if not. */
  allows(kind: LineKind, lines = 1): boolean {
    if (this.#perSecond === 0) return true;
    const most = this.#perSecond * burstSeconds;
    const now = this.#nowMillis();
    const { lines: left, atMillis } = this.#buckets.get(kind) ?? { lines: most, atMillis: now };
    const filled = Math.min(most, left + ((now - atMillis) / 1000) * this.#perSecond);
    const allowed = filled >= lines;
    this.#buckets.set(kind, { lines: allowed ? filled - lines : filled, atMillis: now });
    if (!allowed) this.#suppressed += lines;
    return allowed;
  }

  /** Lines that were not allowed since this was last asked. */
  takeSuppressed(): number {
    const count = this.#suppressed;
    this.#suppressed = 0;
    return count;
  }
}

const burstSeconds = 5;

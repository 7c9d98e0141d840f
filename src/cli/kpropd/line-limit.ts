/** What a line is about. Each kind has a budget of its own, so that none crowds out another. */
export type LineKind = 'connection' | 'refusal' | 'fault' | 'denied';

/**
 * Bounds the lines that peers can cause: a token bucket for each kind. It lets through `perSecond`
 * lines, after a quiet time `burstSeconds` times as many at once; 0 means no limit.
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

  /** Whether this number of lines may be written now; if not, they count as suppressed. */
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

  /** How many lines were suppressed since the last call. */
  takeSuppressed(): number {
    const count = this.#suppressed;
    this.#suppressed = 0;
    return count;
  }
}

const burstSeconds = 5;

/** Allows a number of things each second, and a burst of them at first and after a pause. */
export class TokenBucket {
  readonly #perMilli: number;
  readonly #burst: number;
  #tokens: number;
  #atMillis: number | undefined;

  constructor(o: { readonly perSecond: number; readonly burst: number }) {
    this.#perMilli = o.perSecond / 1000;
    this.#burst = o.burst;
    this.#tokens = o.burst;
  }

  /** Whether one more may happen now; if so, it counts. */
  take(nowMillis: number): boolean {
    const passedMillis = nowMillis - (this.#atMillis ?? nowMillis);
    this.#tokens = Math.min(this.#tokens + passedMillis * this.#perMilli, this.#burst);
    this.#atMillis = nowMillis;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Lets so many things happen a second, and at first and after a rest a burst of them. */
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

  /** Whether it may happen now. */
  take(nowMillis: number): boolean {
    const passedMillis = nowMillis - (this.#atMillis ?? nowMillis);
    this.#tokens = Math.min(this.#tokens + passedMillis * this.#perMilli, this.#burst);
    this.#atMillis = nowMillis;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

import { TokenBucket } from './token-bucket.ts';

/**
 * How many strangers are let in at all: serving one costs up to a millisecond, whoever it is. Who has
 * not come for a while has a budget of its own, so that many who come again and again keep nobody
 * out who comes once.
 */
export class Arrivals {
  readonly #returning: TokenBucket;
  readonly #fresh: TokenBucket;
  /** When each group came last, the longest ago first. */
  readonly #lastMillis = new Map<string, number>();

  constructor(perSecond: number) {
    const bucket = () => new TokenBucket({ perSecond, burst: 2 * perSecond });
    this.#returning = bucket();
    this.#fresh = bucket();
  }

  /** Whether a newcomer of this group is served. */
  admit(group: string, nowMillis: number): boolean {
    const last = this.#lastMillis.get(group);
    const isFresh = last === undefined || nowMillis - last > rememberedMillis;
    this.#lastMillis.delete(group);
    this.#lastMillis.set(group, nowMillis);
    if (this.#lastMillis.size > rememberedGroups) {
      const [longestAgo] = this.#lastMillis.keys();
      this.#lastMillis.delete(longestAgo as string);
    }
    return (isFresh ? this.#fresh : this.#returning).take(nowMillis);
  }
}

const rememberedMillis = 10_000;
const rememberedGroups = 4096;

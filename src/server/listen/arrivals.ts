import { TokenBucket } from './token-bucket.ts';

/**
 * How many strangers are let in at all: serving one costs up to a millisecond, whoever it is. Who has
 * not come for a while has a budget of its own, so that many who come again and again keep nobody
 * out who comes once.
 */
export class Arrivals {
  readonly #returning: TokenBucket;
  readonly #fresh: TokenBucket;
  /** When each site came last, the longest ago first. */
  readonly #lastMillis = new Map<string, number>();

  constructor(perSecond: number) {
    const bucket = () => new TokenBucket({ perSecond, burst: 2 * perSecond });
    this.#returning = bucket();
    this.#fresh = bucket();
  }

  /** Whether a newcomer of this group is served. */
  admit(group: string, nowMillis: number): boolean {
    const site = siteOf(group);
    const last = this.#lastMillis.get(site);
    const isFresh = last === undefined || nowMillis - last > rememberedMillis;
    this.#lastMillis.delete(site);
    this.#lastMillis.set(site, nowMillis);
    if (this.#lastMillis.size > rememberedGroups) {
      const [longestAgo] = this.#lastMillis.keys();
      this.#lastMillis.delete(longestAgo as string);
    }
    return (isFresh ? this.#fresh : this.#returning).take(nowMillis);
  }
}

const rememberedMillis = 10_000;
const rememberedGroups = 4096;

/** An IPv6 site has 65,536 groups to come from: it counts as one. */
function siteOf(group: string): string {
  return group.replace(/^((?:[0-9a-f]{4}:){3})[0-9a-f]{4}::\/64$/, '$1:/48');
}

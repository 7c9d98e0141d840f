import { TokenBucket } from './token-bucket.ts';

/**
 * Limits how many strangers are let in each second, since serving one costs up to a millisecond.
 * Sites that have not connected for a while have a budget of their own, so that those that connect
 * again and again cannot keep out one that connects once.
 */
export class Arrivals {
  readonly #returning: TokenBucket;
  readonly #fresh: TokenBucket;
  /** When each site last connected, the longest ago first. */
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

/** The groups of one IPv6 site, of which it has 65,536, count as one. */
function siteOf(group: string): string {
  return group.replace(/^((?:[0-9a-f]{4}:){3})[0-9a-f]{4}::\/64$/, '$1:/48');
}

import { KpropError } from '../../../errors/kprop-error.ts';

/** Remembers authenticators (RFC 4120 §3.2.3): each may be presented once. */
export interface ReplayCache {
  /**
   * Notes the authenticator with this tag. @throws auth.replay if it was seen before
   * @throws auth.replay-cache if the cache cannot be used
   */
  store(tag: Uint8Array, nowSeconds: number, client: string): Promise<void>;
}

/** Entries are looked through for expired ones when there are this many, then at twice as many. */
const firstSweepEntries = 1024;

/** A cache of this process alone; entries that can no longer be accepted are removed. */
export function memoryReplayCache(clockSkewSeconds: number): ReplayCache {
  const seen = new Map<string, number>();
  let sweepAt = firstSweepEntries;
  // An authenticator may be ahead of our clock by the skew, and lives for the skew after its own
  // time. One that was stored before the clock was set back will be valid again: it stays.
  const isOver = (storedSeconds: number, nowSeconds: number) =>
    nowSeconds - storedSeconds > 2 * clockSkewSeconds;
  return {
    async store(tag, nowSeconds, client) {
      const name = Buffer.from(tag).toString('hex');
      if (seen.size >= sweepAt) {
        for (const [old, storedSeconds] of seen) {
          if (isOver(storedSeconds, nowSeconds)) seen.delete(old);
        }
        sweepAt = Math.max(firstSweepEntries, 2 * seen.size);
      }
      const stored = seen.get(name);
      if (stored !== undefined && !isOver(stored, nowSeconds)) {
        throw new KpropError('auth.replay', { client });
      }
      seen.set(name, nowSeconds);
    },
  };
}

/**
 * What names an authenticator in a replay cache: the end of its cipher, where the MAC stands, cut
 * or zero-padded to 12 bytes (krb5 lib/krb5/rcache/rc_base.c). `macBytes` is the enctype's.
 */
export function replayTag(cipher: Uint8Array, macBytes: number): Uint8Array {
  const tag = new Uint8Array(12);
  tag.set(cipher.slice(-macBytes).subarray(0, 12));
  return tag;
}

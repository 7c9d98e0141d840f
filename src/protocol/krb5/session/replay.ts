import { KpropError } from '../../../errors/kprop-error.ts';

/** Remembers authenticators (RFC 4120 §3.2.3): each may be presented once. */
export interface ReplayCache {
  /**
   * Stores the tag of an authenticator. @throws auth.replay if it was seen before
   * @throws auth.replay-cache if the cache cannot be used
   */
  store(tag: Uint8Array, nowSeconds: number, client: string): Promise<void>;
}

/** Expired entries are removed when there are this many, then each time the rest has doubled. */
const firstSweepEntries = 1024;

/** A cache in the memory of this process. Entries that can no longer be accepted are removed. */
export function memoryReplayCache(clockSkewSeconds: number): ReplayCache {
  const seen = new Map<string, number>();
  let sweepAt = firstSweepEntries;
  // An authenticator may be ahead of our clock by the skew, and is valid for the skew after its own
  // time. One that was stored before the clock was set back becomes valid again, so it is kept.
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
 * What identifies an authenticator in a replay cache: the end of its cipher, where the MAC is, cut
 * or zero-padded to 12 bytes (krb5 lib/krb5/rcache/rc_base.c). `macBytes` is the enctype's.
 */
export function replayTag(cipher: Uint8Array, macBytes: number): Uint8Array {
  const tag = new Uint8Array(12);
  tag.set(cipher.slice(-macBytes).subarray(0, 12));
  return tag;
}

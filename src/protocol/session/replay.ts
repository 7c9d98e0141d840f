import { KpropError } from '../errors.ts';

/** Remembers authenticators (RFC 4120 §3.2.3): each may be presented once. */
export interface ReplayCache {
  /**
   * Notes the authenticator with this tag. @throws auth.replay if it was seen before
   * @throws auth.replay-cache if the cache cannot be used
   */
  store(tag: Uint8Array, nowSeconds: number, client: string): Promise<void>;
}

/** A cache of this process alone; entries older than the clock skew can no longer be accepted. */
export function memoryReplayCache(clockSkewSeconds: number): ReplayCache {
  const seen = new Map<string, number>();
  return {
    async store(tag, nowSeconds, client) {
      const name = Buffer.from(tag).toString('hex');
      // A Map keeps insertion order: the oldest are in front. An authenticator may be ahead of our
      // clock by the skew, and lives for the skew after its own time.
      for (const [old, storedSeconds] of seen) {
        if (nowSeconds - storedSeconds <= 2 * clockSkewSeconds) break;
        seen.delete(old);
      }
      if (seen.has(name)) throw new KpropError('auth.replay', { client });
      seen.set(name, nowSeconds);
    },
  };
}

/**
 * What names an authenticator in a replay cache: the end of its cipher, where the MAC stands, cut
 * or zero-padded to 12 octets (krb5 lib/krb5/rcache/rc_base.c). `macBytes` is the enctype's.
 */
export function replayTag(cipher: Uint8Array, macBytes: number): Uint8Array {
  const tag = new Uint8Array(12);
  tag.set(cipher.slice(-macBytes).subarray(0, 12));
  return tag;
}

import { createHash, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';

import { KpropError } from '../../../errors/kprop-error.ts';
import { cmac } from './cmac.ts';
import { rc4UsageBytes } from './derive.ts';
import type { Key } from './key.ts';
import type { EnctypeProfile } from './profiles.ts';

/** The mandatory keyed checksum of the key's enctype, `macBytes` bytes. @see RFC 3961 §5.4 */
export function makeChecksum(key: Key, usage: number, data: Uint8Array): Uint8Array {
  const { profile } = key;
  const sumKey = key.macKey(usage, 'checksum');
  if (profile.checksum === 'mac') return mac(profile, sumKey, [data]);
  // RFC 4757 §4: the usage number goes into the data, not into the key.
  const digest = createHash('md5').update(rc4UsageBytes(usage)).update(data).digest();
  return mac(profile, sumKey, [digest]);
}

/** Returns if `sum` is the checksum of `data`. @throws crypto.integrity */
export function verifyChecksum(key: Key, usage: number, data: Uint8Array, sum: Uint8Array): void {
  if (!sameMac(makeChecksum(key, usage, data), sum)) {
    throw new KpropError('crypto.integrity', { what: 'checksum' });
  }
}

/** The MAC of the parts in order under a key already derived, `macBytes` bytes. */
export function mac(
  profile: EnctypeProfile,
  key: KeyObject,
  parts: readonly Uint8Array[],
): Uint8Array {
  if (profile.mac === 'cmac') return cmac(profile.cbcCipher, key, parts);
  const hmac = createHmac(profile.hash, key);
  for (const part of parts) hmac.update(part);
  const { buffer, byteOffset } = hmac.digest();
  return new Uint8Array(buffer, byteOffset, profile.macBytes);
}

/** Whether two MACs are equal, in a time that does not tell where they differ. */
export function sameMac(expected: Uint8Array, got: Uint8Array): boolean {
  return expected.length === got.length && timingSafeEqual(expected, got);
}

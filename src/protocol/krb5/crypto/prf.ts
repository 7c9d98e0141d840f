import { createHash, createHmac } from 'node:crypto';

import { concat, utf8 } from '../../bytes.ts';
import { CipherChain } from './cipher.ts';
import { cmac } from './cmac.ts';
import { deriveKey, kdfHmacSha2 } from './derive.ts';
import type { Key } from './key.ts';
import type { EnctypeProfile } from './profiles.ts';

/**
 * The pseudo-random function of the key's enctype over `input`: 16 bytes, but 20 for RC4, 32 and
 * 48 for the SHA-2 types. @see RFC 3961 §5.3, RFC 3962 §6, RFC 8009 §5, RFC 6803 §6
 */
export function prf(key: Key, input: Uint8Array): Uint8Array {
  return functions[key.profile.prf](key, input);
}

const functions: Readonly<Record<EnctypeProfile['prf'], typeof prf>> = {
  'encrypted-hash': (key, input) => {
    const { profile } = key;
    const digest = createHash(profile.hash).update(input).digest();
    const whole = digest.subarray(0, digest.length - (digest.length % profile.blockBytes));
    const prfKey = deriveKey(profile, key.bytes, 'prf');
    const chain = new CipherChain(profile);
    return concat(...chain.encipher(prfKey, chain.gather([[whole]])).map(({ sealed }) => sealed));
  },
  // RFC 8009 §5: as long as the hash's own output.
  kdf: (key, input) =>
    kdfHmacSha2(key.profile, key.bytes, {
      label: utf8('prf'),
      context: input,
      byteCount: createHash(key.profile.hash).digest().length,
    }),
  cmac: (key, input) =>
    cmac(key.profile.cbcCipher, deriveKey(key.profile, key.bytes, 'prf'), [input]),
  // RFC 4757 defines none; MIT and Heimdal agree on this one.
  'hmac-sha1': (key, input) => createHmac('sha1', key.bytes).update(input).digest(),
};

import { createHash, createHmac } from 'node:crypto';

import { concat, utf8 } from '../../../src/protocol/bytes.ts';
import { CipherChain } from '../../../src/protocol/krb5/crypto/cipher.ts';
import { cmac } from '../../../src/protocol/krb5/crypto/cmac.ts';
import type { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { deriveKey } from './derive-key.ts';

/**
 * The pseudo-random function of the key's enctype over `input`: 16 bytes, but 20 for RC4, 32 and
 * 48 for the SHA-2 types. @see RFC 3961 §5.3, RFC 3962 §6, RFC 8009 §5, RFC 6803 §6
 */
export function prf(key: Key, input: Uint8Array): Uint8Array {
  const { profile } = key;
  switch (profile.derivation) {
    case 'n-fold':
      return encryptedHash(key, input);
    case 'kdf-hmac-sha2':
      return kdfOfContext(key, input);
    case 'kdf-feedback-cmac':
      return cmac(profile.cbcCipher, deriveKey(profile, key.bytes, 'prf'), [input]);
    case 'hmac-md5':
      // RFC 4757 defines none; MIT and Heimdal agree on this one.
      return createHmac('sha1', key.bytes).update(input).digest();
  }
}

function encryptedHash({ profile, bytes }: Key, input: Uint8Array): Uint8Array {
  const digest = createHash(profile.hash).update(input).digest();
  const whole = digest.subarray(0, digest.length - (digest.length % profile.blockBytes));
  const chain = new CipherChain(profile);
  const run = chain.encipher(deriveKey(profile, bytes, 'prf'), chain.gather([[whole]]));
  return concat(...run.map(({ sealed }) => sealed));
}

/** KDF-HMAC-SHA2 with a context (RFC 8009 §3 and §5), as long as the hash's own output. */
function kdfOfContext({ profile, bytes }: Key, context: Uint8Array): Uint8Array {
  const [first, bits] = [new Uint8Array(4), new Uint8Array(4)];
  first[3] = 1;
  new DataView(bits.buffer).setUint32(0, createHash(profile.hash).digest().length * 8);
  const input = concat(first, utf8('prf'), Uint8Array.of(0), context, bits);
  return createHmac(profile.hash, bytes).update(input).digest();
}

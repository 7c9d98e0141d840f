import { pbkdf2Sync } from 'node:crypto';

import { concat, utf8 } from '../../../src/protocol/bytes.ts';
import { nFold, randomToKey } from '../../../src/protocol/krb5/crypto/derive.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { type EnctypeProfile, profileOf } from '../../../src/protocol/krb5/crypto/profiles.ts';
import { deriveKey } from './derive-key.ts';
import { md4 } from './md4.ts';

// As MIT: a KDC that asks for more wants us busy, not safe.
const maxRounds = 0x1000000;

/**
 * The key of a password. `salt` is bytes as the KDC names them; `rounds` replaces the default
 * iteration count of the PBKDF2 types, 1 to 2^24. @throws crypto.unsupported-enctype
 * @see RFC 3961 §6.3.1, RFC 3962 §4, RFC 8009 §4, RFC 6803 §4, RFC 4757 §2
 */
export function stringToKey(
  enctype: number,
  password: string,
  salt: Uint8Array,
  o: { rounds?: number } = {},
): Key {
  const profile = profileOf(enctype);
  return Key.of(enctype, keyBytes(profile, password, salt, o.rounds));
}

function keyBytes(
  profile: EnctypeProfile,
  password: string,
  salt: Uint8Array,
  rounds: number | undefined,
): Uint8Array {
  switch (profile.derivation) {
    case 'hmac-md5':
      // No salt, no rounds: the NT hash over little-endian UTF-16.
      return md4(Buffer.from(password, 'utf16le'));
    case 'n-fold':
      if (profile.family === 'aes') return pbkdf2(profile, password, salt, rounds ?? 4096);
      return deriveKey(profile, folded(profile, concat(utf8(password), salt)), 'kerberos');
    default: {
      const namedSalt = concat(utf8(`${profile.name}\0`), salt);
      return pbkdf2(profile, password, namedSalt, rounds ?? 32768);
    }
  }
}

function folded(profile: EnctypeProfile, text: Uint8Array): Uint8Array {
  return randomToKey(profile, nFold(text, profile.seedBytes));
}

function pbkdf2(
  profile: EnctypeProfile,
  password: string,
  salt: Uint8Array,
  rounds: number,
): Uint8Array {
  if (!(rounds >= 1 && rounds <= maxRounds)) {
    throw new RangeError(`an iteration count of ${rounds} is out of range`);
  }
  const hash = profile.hash === '' ? 'sha1' : profile.hash;
  const stretched = pbkdf2Sync(password, salt, rounds, profile.seedBytes, hash);
  return deriveKey(profile, stretched, 'kerberos');
}

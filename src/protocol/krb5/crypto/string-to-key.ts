import { pbkdf2Sync } from 'node:crypto';

import { concat, utf8 } from '../../bytes.ts';
import { deriveKey, nFold, randomToKey } from './derive.ts';
import { Key } from './key.ts';
import { type EnctypeProfile, profileOf } from './profiles.ts';
import { md4 } from './rc4.ts';

// As MIT: a KDC that asks for more wants us busy, not safe.
const MAX_ROUNDS = 0x1000000;

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
  const rounds = o.rounds ?? profile.stringToKeyRounds;
  return Key.of(enctype, foldings[profile.stringToKey](profile, password, salt, rounds));
}

type Folding = (
  profile: EnctypeProfile,
  password: string,
  salt: Uint8Array,
  rounds: number,
) => Uint8Array;

const foldings: Readonly<Record<EnctypeProfile['stringToKey'], Folding>> = {
  pbkdf2,
  'pbkdf2-named': (profile, password, salt, rounds) =>
    pbkdf2(profile, password, concat(utf8(`${profile.name}\0`), salt), rounds),
  'n-fold': (profile, password, salt) => {
    const folded = nFold(concat(utf8(password), salt), profile.seedBytes);
    return deriveKey(profile, randomToKey(profile, folded), 'kerberos');
  },
  // No salt, no rounds: the NT hash over little-endian UTF-16.
  md4: (_profile, password) => md4(Buffer.from(password, 'utf16le')),
};

function pbkdf2(
  profile: EnctypeProfile,
  password: string,
  salt: Uint8Array,
  rounds: number,
): Uint8Array {
  if (!(rounds >= 1 && rounds <= MAX_ROUNDS)) {
    throw new RangeError(`an iteration count of ${rounds} is out of range`);
  }
  const stretched = pbkdf2Sync(password, salt, rounds, profile.seedBytes, profile.hash);
  return deriveKey(profile, stretched, 'kerberos');
}

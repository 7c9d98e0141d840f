import type { Ambient } from '../../src/protocol/ambient.ts';
import { randomToKey } from '../../src/protocol/crypto/derive.ts';
import { Key } from '../../src/protocol/crypto/key.ts';
import { profileOf } from '../../src/protocol/crypto/profiles.ts';

/** A fresh key, as a KDC makes them. */
export function randomKey(enctype: number, ambient: Ambient): Key {
  const profile = profileOf(enctype);
  return Key.of(enctype, randomToKey(profile, ambient.random(profile.seedBytes)));
}

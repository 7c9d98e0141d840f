import { utf8 } from '../../../src/protocol/bytes.ts';
import {
  deriveRandom,
  kdfFeedbackCmac,
  kdfHmacSha2,
  randomToKey,
} from '../../../src/protocol/krb5/crypto/derive.ts';
import type { EnctypeProfile } from '../../../src/protocol/krb5/crypto/profiles.ts';

/** The key that `key` has for a well-known constant such as "kerberos" or "prf". */
export function deriveKey(profile: EnctypeProfile, key: Uint8Array, constant: string): Uint8Array {
  const label = utf8(constant);
  switch (profile.derivation) {
    case 'n-fold':
      return randomToKey(profile, deriveRandom(profile, key, label));
    case 'kdf-hmac-sha2':
      return kdfHmacSha2(profile, key, label, profile.seedBytes);
    case 'kdf-feedback-cmac':
      return kdfFeedbackCmac(profile, key, label, profile.seedBytes);
    case 'hmac-md5':
      throw new Error(`${profile.name} derives no keys from constants`);
  }
}

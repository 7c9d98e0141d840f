import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { type Codec, decode, encode } from '../../der/schema.ts';
import { decrypt, encrypt } from '../crypto/encrypt.ts';
import type { Key } from '../crypto/key.ts';
import type { EncryptedData } from '../messages/parts.ts';

/** An EncryptedData of a value under a key; `kvno` only where the RFC wants one. */
export function sealPart<T>(
  codec: Codec<T>,
  value: T,
  key: Key,
  usage: number,
  options: { readonly ambient: Ambient; readonly kvno?: number },
): EncryptedData {
  const cipher = encrypt(key, usage, encode(codec, value), { ambient: options.ambient });
  return {
    etype: key.profile.number,
    ...(options.kvno === undefined ? {} : { kvno: options.kvno }),
    cipher,
  };
}

/**
 * The value inside an EncryptedData. A wrong key, a wrong enctype and a changed byte are one
 * error. @throws crypto.integrity, decode.*
 */
export function openPart<T>(codec: Codec<T>, part: EncryptedData, key: Key, usage: number): T {
  if (part.etype !== key.profile.number) {
    throw new KpropError('crypto.integrity', { what: codec.label });
  }
  let plain: Uint8Array;
  try {
    plain = decrypt(key, usage, part.cipher);
  } catch (cause) {
    throw new KpropError('crypto.integrity', { what: codec.label }, { cause });
  }
  // Ciphers that fill whole blocks leave zero bytes behind the DER (RFC 3961 §6.3).
  return decode(codec, plain, { paddingBytes: key.profile.blockBytes - 1 });
}

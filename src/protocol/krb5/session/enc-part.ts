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
  return decode(codec, withoutPadding(plain, key.profile.blockBytes));
}

/** Block ciphers without ciphertext stealing leave zero bytes behind the DER (RFC 3961 §6.3). */
function withoutPadding(plain: Uint8Array, blockBytes: number): Uint8Array {
  if (blockBytes === 1 || plain.length < 2) return plain;
  const [, first = 0] = plain;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4) return plain;
  let length = lengthBytes === 0 ? first : 0;
  for (const byte of plain.subarray(2, 2 + lengthBytes)) length = length * 256 + byte;
  const end = 2 + lengthBytes + length;
  const extra = plain.length - end;
  const padded = extra > 0 && extra < blockBytes && plain.subarray(end).every((byte) => byte === 0);
  return padded ? plain.subarray(0, end) : plain;
}

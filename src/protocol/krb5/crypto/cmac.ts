import { type CipherKey, createCipheriv } from 'node:crypto';

import { concat } from '../../bytes.ts';

const blockBytes = 16;

/**
 * The 16 bytes of CMAC over the parts in order; `cbcCipher` is the CBC name of a 128-bit block
 * cipher. @see RFC 4493, SP 800-38B §6.2
 */
export function cmac(cbcCipher: string, key: CipherKey, parts: readonly Uint8Array[]): Uint8Array {
  const message = parts.length === 1 ? parts[0]! : concat(...parts);
  // The last block is masked with a subkey, so even an empty message has one.
  const lastAt = Math.max(0, Math.ceil(message.length / blockBytes) - 1) * blockBytes;
  const cbc = createCipheriv(cbcCipher, key, zeroBlock).setAutoPadding(false);
  if (lastAt > 0) cbc.update(message.subarray(0, lastAt));
  const last = lastBlock(message.subarray(lastAt), subkeyBase(cbcCipher, key));
  return new Uint8Array(cbc.update(last));
}

function subkeyBase(cbcCipher: string, key: CipherKey): Uint8Array {
  return createCipheriv(cbcCipher, key, zeroBlock).setAutoPadding(false).update(zeroBlock);
}

/** The final block, padded with 10* if short, and masked by K1 if whole, by K2 if padded. */
function lastBlock(tail: Uint8Array, base: Uint8Array): Uint8Array {
  const block = doubled(base);
  if (tail.length === blockBytes) return xorInto(block, tail);
  const second = doubled(block);
  second[tail.length]! ^= 0x80;
  return xorInto(second, tail);
}

/** Multiplication by x in GF(2^128). */
function doubled(block: Uint8Array): Uint8Array {
  const result = new Uint8Array(blockBytes);
  for (let i = 0; i < blockBytes; i++) {
    result[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  }
  if (block[0]! & 0x80) result[blockBytes - 1]! ^= 0x87;
  return result;
}

function xorInto(target: Uint8Array, mask: Uint8Array): Uint8Array {
  for (let i = 0; i < mask.length; i++) target[i]! ^= mask[i]!;
  return target;
}

const zeroBlock = new Uint8Array(blockBytes);

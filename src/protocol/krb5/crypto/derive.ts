import { createCipheriv, createHmac } from 'node:crypto';

import { concat, utf8 } from '../../bytes.ts';
import { cmac } from './cmac.ts';
import type { Derivation, EnctypeProfile } from './profiles.ts';

/** What a derived key is for; each has its own byte after the usage number (RFC 3961 §5.3). */
export type KeyPurpose = 'encryption' | 'integrity' | 'checksum';

const purposeBytes = { encryption: 0xaa, integrity: 0x55, checksum: 0x99 } as const;

/** The key that `key` has for one usage number and purpose, by the derivation of its profile. */
export function deriveUsageKey(
  profile: EnctypeProfile,
  key: Uint8Array,
  usage: number,
  purpose: KeyPurpose,
): Uint8Array {
  const { derivation } = profile;
  if (derivation === 'hmac-md5') return rc4UsageKey(key, usage, purpose);
  const constant = concat(uint32(usage), Uint8Array.of(purposeBytes[purpose]));
  // RFC 8009 §5: keys of HMACs are as long as the MAC, not as the base key.
  const macKey = derivation === 'kdf-hmac-sha2' && purpose !== 'encryption';
  const byteCount = macKey ? profile.macBytes : profile.seedBytes;
  return derivations[derivation](profile, key, constant, byteCount);
}

type Derive = (
  profile: EnctypeProfile,
  key: Uint8Array,
  constant: Uint8Array,
  byteCount: number,
) => Uint8Array;

/** RFC 4757 derives by usage number, not from constants. */
const derivations: Readonly<Record<Exclude<Derivation, 'hmac-md5'>, Derive>> = {
  'n-fold': (profile, key, constant) => randomToKey(profile, deriveRandom(profile, key, constant)),
  'kdf-hmac-sha2': kdfHmacSha2,
  'kdf-feedback-cmac': kdfFeedbackCmac,
};

/** RFC 4757 §3 and §4: K1 for messages, Ksign for checksums. */
function rc4UsageKey(key: Uint8Array, usage: number, purpose: KeyPurpose): Uint8Array {
  const salt = purpose === 'checksum' ? utf8('signaturekey\0') : rc4UsageBytes(usage);
  return createHmac('md5', key).update(salt).digest();
}

/** A usage number as RC4 has it: little-endian, and four of them renumbered (RFC 4757 §3). */
export function rc4UsageBytes(usage: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, rc4Usages.get(usage) ?? usage, true);
  return bytes;
}

// AS-REP and TGS-REP parts, and MIC tokens. As MIT's krb5int_arcfour_translate_usage.
const rc4Usages: ReadonlyMap<number, number> = new Map([
  [3, 8],
  [9, 8],
  [23, 13],
]);

/** DR: `seedBytes` bytes from running the cipher over the folded constant. @see RFC 3961 §5.1 */
export function deriveRandom(
  profile: EnctypeProfile,
  key: Uint8Array,
  constant: Uint8Array,
): Uint8Array {
  const { blockBytes, seedBytes } = profile;
  // One block in CBC with a zero vector is the plain block cipher.
  const cipher = createCipheriv(profile.ecbCipher, key, null).setAutoPadding(false);
  const random = new Uint8Array(seedBytes + blockBytes);
  let block = nFold(constant, blockBytes);
  for (let at = 0; at < seedBytes; at += blockBytes) {
    block = cipher.update(block);
    random.set(block, at);
  }
  return random.subarray(0, seedBytes);
}

/** The n-fold of the input, n = 8 × `byteCount` bits. @see RFC 3961 §5.1 */
export function nFold(input: Uint8Array, byteCount: number): Uint8Array {
  const inputBits = input.length * 8;
  const total = leastCommonMultiple(input.length, byteCount);
  const sums = new Array<number>(byteCount).fill(0);
  for (let at = 0; at < total; at++) {
    // Copy number k of the input is rotated right by 13 k bits: find where its byte begins.
    const copy = Math.floor(at / input.length);
    const bit = (((at % input.length) * 8 - 13 * copy) % inputBits) + inputBits;
    const byte = Math.floor(bit / 8);
    const pair = (input[byte % input.length]! << 8) | input[(byte + 1) % input.length]!;
    sums[at % byteCount]! += (pair >> (8 - (bit % 8))) & 0xff;
  }
  return addWithEndAroundCarry(sums);
}

/** Ones'-complement addition: what leaves at the top comes back in at the bottom. */
function addWithEndAroundCarry(sums: number[]): Uint8Array {
  for (let carry = 0, settled = false; !settled; ) {
    for (let at = sums.length - 1; at >= 0; at--) {
      const sum = sums[at]! + carry;
      sums[at] = sum & 0xff;
      carry = sum >> 8;
    }
    settled = carry === 0;
  }
  return Uint8Array.from(sums);
}

function leastCommonMultiple(a: number, b: number): number {
  let [divisor, rest] = [a, b];
  while (rest !== 0) [divisor, rest] = [rest, divisor % rest];
  return (a * b) / divisor;
}

/** random-to-key: the seed itself, but for DES with parity bits and no weak key. RFC 3961 §6.3.1 */
export function randomToKey(profile: EnctypeProfile, seed: Uint8Array): Uint8Array {
  if (profile.seedBytes === profile.keyBytes) return seed;
  return concat(
    desKey(seed.subarray(0, 7)),
    desKey(seed.subarray(7, 14)),
    desKey(seed.subarray(14, 21)),
  );
}

/** 7 bytes become 8: the low bits of the seven make up the eighth, then parity is set odd. */
function desKey(seed: Uint8Array): Uint8Array {
  const key = new Uint8Array(8);
  seed.forEach((byte, index) => {
    key[index] = withOddParity(byte);
    key[7]! |= (byte & 1) << (index + 1);
  });
  key[7] = withOddParity(key[7]!);
  if (weakDesKeys.has(hexOf(key))) key[7]! ^= 0xf0;
  return key;
}

function withOddParity(byte: number): number {
  let parity = 1;
  for (let bits = byte >> 1; bits !== 0; bits >>= 1) parity ^= bits & 1;
  return (byte & 0xfe) | parity;
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The 4 weak and 12 semi-weak keys of DES, SP 800-67 §3.3.2. */
const weakDesKeys: ReadonlySet<string> = new Set([
  '0101010101010101',
  'fefefefefefefefe',
  '1f1f1f1f0e0e0e0e',
  'e0e0e0e0f1f1f1f1',
  '01fe01fe01fe01fe',
  'fe01fe01fe01fe01',
  '1fe01fe00ef10ef1',
  'e01fe01ff10ef10e',
  '01e001e001f101f1',
  'e001e001f101f101',
  '1ffe1ffe0efe0efe',
  'fe1ffe1ffe0efe0e',
  '011f011f010e010e',
  '1f011f010e010e01',
  'e0fee0fef1fef1fe',
  'fee0fee0fef1fef1',
]);

/** KDF-HMAC-SHA2: one HMAC over counter, label and length; no context. @see RFC 8009 §3 */
export function kdfHmacSha2(
  profile: EnctypeProfile,
  key: Uint8Array,
  label: Uint8Array,
  byteCount: number,
): Uint8Array {
  const input = concat(uint32(1), label, Uint8Array.of(0), uint32(byteCount * 8));
  return createHmac(profile.hash, key).update(input).digest().subarray(0, byteCount);
}

/** KDF-FEEDBACK-CMAC: each CMAC goes into the next. @see RFC 6803 §3 */
export function kdfFeedbackCmac(
  profile: EnctypeProfile,
  key: Uint8Array,
  constant: Uint8Array,
  byteCount: number,
): Uint8Array {
  const blocks: Uint8Array[] = [];
  let block: Uint8Array = new Uint8Array(16);
  for (let counter = 1; blocks.length * 16 < byteCount; counter++) {
    const input = [block, uint32(counter), constant, Uint8Array.of(0), uint32(byteCount * 8)];
    block = cmac(profile.cbcCipher, key, input);
    blocks.push(block);
  }
  return concat(...blocks).subarray(0, byteCount);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

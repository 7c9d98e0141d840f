import { createHmac } from 'node:crypto';

import type { Ambient } from '../ambient.ts';
import { concat } from '../bytes.ts';
import { KpropError } from '../errors.ts';
import { mac, sameMac } from './checksum.ts';
import { CipherChain } from './cipher.ts';
import type { Key } from './key.ts';
import type { Construction } from './profiles.ts';

export interface EncryptOptions {
  readonly ambient: Ambient;
  /** The state of the messages before this one; without it the state is zero. */
  readonly chain?: CipherChain;
  /** Only to reproduce recorded messages: a confounder must never be used twice. */
  readonly confounder?: Uint8Array;
}

export interface DecryptOptions {
  /** The state of the messages before this one; without it the state is zero. */
  readonly chain?: CipherChain;
  /** Allows `cipher` to be overwritten, which spares a copy. */
  readonly inPlace?: boolean;
}

/** The cipher octets of an EncryptedData: confounder, plaintext and MAC. @see RFC 3961 §5.3 */
export function encrypt(key: Key, usage: number, plain: Uint8Array, o: EncryptOptions): Uint8Array {
  return concat(...encryptParts(key, usage, [plain], o));
}

/** As encrypt, for plaintext in pieces; what it returns is the cipher octets in pieces. */
export function encryptParts(
  key: Key,
  usage: number,
  plain: readonly Uint8Array[],
  o: EncryptOptions,
): Uint8Array[] {
  const confounder = o.confounder ?? o.ambient.random(key.profile.confounderBytes);
  const chain = chainOf(key, o.chain);
  return constructions[key.profile.construction].seal({ key, usage, chain }, confounder, plain);
}

/**
 * The plaintext without its confounder; zero padding of des3 stays, for DER ends by itself.
 * A message too short, changed, or sealed with another key: all the same error.
 * @throws crypto.integrity
 */
export function decrypt(
  key: Key,
  usage: number,
  cipher: Uint8Array,
  o: DecryptOptions = {},
): Uint8Array {
  const { confounderBytes, macBytes, mode, blockBytes, construction } = key.profile;
  const byteCount = cipher.length - macBytes;
  if (byteCount < confounderBytes) throw integrityError();
  if (mode === 'cbc' && byteCount % blockBytes !== 0) throw integrityError();
  const context = { key, usage, chain: chainOf(key, o.chain) };
  const plain = constructions[construction].open(context, cipher, o.inPlace ?? false);
  return plainView(plain).subarray(confounderBytes);
}

interface Context {
  readonly key: Key;
  readonly usage: number;
  readonly chain: CipherChain;
}

interface Joining {
  /** Pieces of the sealed message. */
  seal(context: Context, confounder: Uint8Array, plain: readonly Uint8Array[]): Uint8Array[];
  /** Confounder and plaintext. @throws crypto.integrity */
  open(context: Context, cipher: Uint8Array, inPlace: boolean): Uint8Array;
}

/** RFC 3961 §5.3, RFC 6803 §6: the MAC covers what was encrypted, padding included. */
const macOfPlaintext: Joining = {
  seal({ key, usage, chain }, confounder, plain) {
    const { mode } = key.profile;
    const padded = chain.gather(confounder, plain);
    const byteCount = mode === 'cbc' ? padded.length : lengthOf(confounder, plain);
    const tag = mac(key.profile, key.macKey(usage, 'integrity'), [padded.subarray(0, byteCount)]);
    return [chain.encipher(key.derived(usage, 'encryption'), padded, byteCount), tag];
  },
  open({ key, usage, chain }, cipher, inPlace) {
    const byteCount = cipher.length - key.profile.macBytes;
    // Not slice: a Buffer's slice is a view, and deciphering in place writes over it.
    const tag = new Uint8Array(cipher.subarray(byteCount));
    const cipherKey = key.derived(usage, 'encryption');
    const plain = chain.decipher(cipherKey, cipher, { byteCount, inPlace });
    const expected = mac(key.profile, key.macKey(usage, 'integrity'), [plain]);
    if (!sameMac(expected, tag)) throw integrityError();
    return plain;
  },
};

/** RFC 8009 §5: the MAC covers the cipher state before the message, and the ciphertext. */
const macOfCiphertext: Joining = {
  seal({ key, usage, chain }, confounder, plain) {
    const before = chain.state.slice();
    const padded = chain.gather(confounder, plain);
    const byteCount = lengthOf(confounder, plain);
    const sealed = chain.encipher(key.derived(usage, 'encryption'), padded, byteCount);
    return [sealed, mac(key.profile, key.macKey(usage, 'integrity'), [before, sealed])];
  },
  open({ key, usage, chain }, cipher, inPlace) {
    const byteCount = cipher.length - key.profile.macBytes;
    const covered = [chain.state, cipher.subarray(0, byteCount)];
    const expected = mac(key.profile, key.macKey(usage, 'integrity'), covered);
    if (!sameMac(expected, cipher.subarray(byteCount))) throw integrityError();
    return chain.decipher(key.derived(usage, 'encryption'), cipher, { byteCount, inPlace });
  },
};

/** RFC 4757 §5: the checksum goes in front, and is what the stream is keyed with. */
const rc4: Joining = {
  seal({ key, usage, chain }, confounder, plain) {
    const usageKey = key.derived(usage, 'encryption');
    const data = concat(confounder, ...plain);
    const tag = mac(key.profile, key.macKey(usage, 'integrity'), [data]);
    chain.keystream('encipher', usageKey, () => rc4MessageKey(usageKey, tag)).apply(data);
    return [tag, data];
  },
  open({ key, usage, chain }, cipher, inPlace) {
    const { macBytes } = key.profile;
    const usageKey = key.derived(usage, 'encryption');
    const tag = cipher.subarray(0, macBytes);
    const view = cipher.subarray(macBytes);
    const data = inPlace ? view : new Uint8Array(view);
    chain.keystream('decipher', usageKey, () => rc4MessageKey(usageKey, tag)).apply(data);
    const expected = mac(key.profile, key.macKey(usage, 'integrity'), [data]);
    if (!sameMac(expected, tag)) throw integrityError();
    return data;
  },
};

const constructions: Readonly<Record<Construction, Joining>> = {
  'mac-of-plaintext': macOfPlaintext,
  'mac-of-ciphertext': macOfCiphertext,
  rc4,
};

/** The same memory without Buffer's ways, such as a slice that does not copy. */
function plainView(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function rc4MessageKey(usageKey: Uint8Array, tag: Uint8Array): Uint8Array {
  return createHmac('md5', usageKey).update(tag).digest();
}

function chainOf(key: Key, chain: CipherChain | undefined): CipherChain {
  if (chain === undefined) return new CipherChain(key.profile);
  if (chain.profile !== key.profile) throw new Error('the cipher chain is of another enctype');
  return chain;
}

function lengthOf(confounder: Uint8Array, plain: readonly Uint8Array[]): number {
  let total = confounder.length;
  for (const part of plain) total += part.length;
  return total;
}

function integrityError(): KpropError {
  return new KpropError('crypto.integrity', { what: 'message' });
}

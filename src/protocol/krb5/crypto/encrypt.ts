import { createHmac } from 'node:crypto';

import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { concat } from '../../bytes.ts';
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

/** The cipher bytes of an EncryptedData: confounder, plaintext and MAC. @see RFC 3961 §5.3 */
export function encrypt(key: Key, usage: number, plain: Uint8Array, o: EncryptOptions): Uint8Array {
  const [sealed = []] = encryptRun(key, usage, [[plain]], o);
  return concat(...sealed);
}

/**
 * As encrypt, for messages that follow each other in one chain, each with its plaintext in pieces
 * (one byte at least, unless it is alone); what it returns is the cipher bytes of each in pieces.
 */
export function encryptRun(
  key: Key,
  usage: number,
  plain: readonly (readonly Uint8Array[])[],
  o: EncryptOptions,
): Uint8Array[][] {
  const { construction, confounderBytes } = key.profile;
  const confounder = () => o.confounder ?? o.ambient.random(confounderBytes);
  const messages = plain.map((pieces) => [confounder(), ...pieces]);
  const context = { key, usage, chain: chainOf(key, o.chain) };
  return constructions[construction].seal(context, messages);
}

/**
 * The plaintext without its confounder, but with the zero padding of des3.
 * A message that is too short, changed, or sealed with another key gives the same error.
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

interface Protection {
  /** The sealed messages in pieces; those given begin with their confounders. */
  seal(context: Context, messages: readonly (readonly Uint8Array[])[]): Uint8Array[][];
  /** Confounder and plaintext. @throws crypto.integrity */
  open(context: Context, cipher: Uint8Array, inPlace: boolean): Uint8Array;
}

/** RFC 3961 §5.3, RFC 6803 §6: the MAC covers what was encrypted, padding included. */
const macOfPlaintext: Protection = {
  seal({ key, usage, chain }, messages) {
    const run = chain.gather(messages);
    const enciphered = chain.encipher(key.derived(usage, 'encryption'), run);
    const macKey = key.macKey(usage, 'integrity');
    return enciphered.map(({ sealed }, index) => [
      sealed,
      mac(key.profile, macKey, [run.messages[index] as Uint8Array]),
    ]);
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
const macOfCiphertext: Protection = {
  seal({ key, usage, chain }, messages) {
    const macKey = key.macKey(usage, 'integrity');
    const enciphered = chain.encipher(key.derived(usage, 'encryption'), chain.gather(messages));
    return enciphered.map(({ sealed, before }) => [
      sealed,
      mac(key.profile, macKey, [before, sealed]),
    ]);
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
const rc4: Protection = {
  seal({ key, usage, chain }, messages) {
    const usageKey = key.derived(usage, 'encryption');
    return messages.map((pieces) => {
      const data = concat(...pieces);
      const tag = mac(key.profile, key.macKey(usage, 'integrity'), [data]);
      chain.keystream('encipher', usageKey, () => rc4MessageKey(usageKey, tag)).apply(data);
      return [tag, data];
    });
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

const constructions: Readonly<Record<Construction, Protection>> = {
  'mac-of-plaintext': macOfPlaintext,
  'mac-of-ciphertext': macOfCiphertext,
  rc4,
};

/** The same memory as a plain Uint8Array: the slice of a Buffer does not copy. */
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

function integrityError(): KpropError {
  return new KpropError('crypto.integrity', { what: 'message' });
}

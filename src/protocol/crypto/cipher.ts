import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';

import type { EnctypeProfile } from './profiles.ts';
import { Rc4 } from './rc4.ts';

type Direction = 'encipher' | 'decipher';

/**
 * The cipher state that one message hands to the next: the last CBC block, or RC4's keystream.
 * It starts at zero, serves one direction, one key and one usage, and is spoiled by a message that
 * fails. @see RFC 3961 §3 (cipher state), RFC 3962 §5
 *
 * Ciphertext stealing ends in the same chaining value as CBC over the zero-padded plaintext, so
 * one cipher object lives as long as the chain, and stealing is a swap of two blocks beside it.
 */
export class CipherChain {
  readonly profile: EnctypeProfile;
  /** The state before the next message, `blockBytes` octets; stays zero for RC4. */
  readonly state: Uint8Array;
  #direction: Direction | undefined;
  #key: Uint8Array | undefined;
  #cbc: Cipher | Decipher | undefined;
  #ecb: Decipher | undefined;
  #keystream: Rc4 | undefined;
  #workspace = new Uint8Array(0);

  constructor(profile: EnctypeProfile) {
    this.profile = profile;
    this.state = new Uint8Array(profile.blockBytes);
  }

  /** The parts in one run, followed by zeros to whole blocks. It is overwritten by the next call. */
  gather(first: Uint8Array, rest: readonly Uint8Array[]): Uint8Array {
    let total = first.length;
    for (const part of rest) total += part.length;
    const gathered = this.#room(total);
    gathered.set(first);
    let at = first.length;
    for (const part of rest) {
      gathered.set(part, at);
      at += part.length;
    }
    return gathered.fill(0, at);
  }

  /** The ciphertext of whole blocks, without the octets beyond `byteCount` where stealing saves them. */
  encipher(key: Uint8Array, padded: Uint8Array, byteCount: number): Uint8Array {
    this.#bind('encipher', key);
    const { blockBytes, mode, cbcCipher } = this.profile;
    if (mode === 'cbc-cts' && padded.length === blockBytes) {
      // A lone block has nothing to steal from, and leaves the state as it was.
      return createCipheriv(cbcCipher, key, this.state).setAutoPadding(false).update(padded);
    }
    this.#cbc ??= createCipheriv(cbcCipher, key, this.state).setAutoPadding(false);
    const sealed: Uint8Array = this.#cbc.update(padded);
    const lastAt = sealed.length - blockBytes;
    this.state.set(sealed.subarray(lastAt));
    if (mode === 'cbc') return sealed;
    sealed.copyWithin(lastAt, lastAt - blockBytes, lastAt);
    sealed.set(this.state, lastAt - blockBytes);
    return sealed.subarray(0, byteCount);
  }

  /**
   * The plaintext of the first `byteCount` octets of `sealed`, at least a block of them, and whole
   * blocks where nothing is stolen. `inPlace` lets it write into all of `sealed`.
   */
  decipher(
    key: Uint8Array,
    sealed: Uint8Array,
    o: { byteCount: number; inPlace: boolean },
  ): Uint8Array {
    this.#bind('decipher', key);
    const { byteCount } = o;
    const { blockBytes, mode, cbcCipher } = this.profile;
    if (mode === 'cbc-cts' && byteCount === blockBytes) {
      const lone = createDecipheriv(cbcCipher, key, this.state).setAutoPadding(false);
      return lone.update(sealed.subarray(0, byteCount));
    }
    this.#cbc ??= createDecipheriv(cbcCipher, key, this.state).setAutoPadding(false);
    if (mode === 'cbc') {
      this.state.set(sealed.subarray(byteCount - blockBytes, byteCount));
      return this.#cbc.update(sealed.subarray(0, byteCount));
    }
    const paddedBytes = this.#padded(byteCount);
    const natural =
      o.inPlace && paddedBytes <= sealed.length
        ? sealed.subarray(0, paddedBytes)
        : this.gather(sealed.subarray(0, byteCount), []);
    this.#returnStolen(key, natural, byteCount);
    return this.#cbc.update(natural).subarray(0, byteCount);
  }

  /** RC4's keystream, keyed on the first message by `firstKey` and running on ever after. */
  keystream(direction: Direction, key: Uint8Array, firstKey: () => Uint8Array): Rc4 {
    this.#bind(direction, key);
    this.#keystream ??= new Rc4(firstKey());
    return this.#keystream;
  }

  /**
   * Puts the last two blocks back into the order of CBC. The stolen octets are what the cipher
   * makes of zero padding: the end of the last block, deciphered without chaining.
   */
  #returnStolen(key: Uint8Array, natural: Uint8Array, byteCount: number): void {
    const { blockBytes, ecbCipher } = this.profile;
    const lastAt = natural.length - blockBytes;
    this.state.set(natural.subarray(lastAt - blockBytes, lastAt));
    this.#ecb ??= createDecipheriv(ecbCipher, key, null).setAutoPadding(false);
    const stolen = this.#ecb.update(this.state).subarray(byteCount - lastAt);
    natural.copyWithin(lastAt - blockBytes, lastAt, byteCount);
    natural.set(stolen, lastAt - stolen.length);
    natural.set(this.state, lastAt);
  }

  #bind(direction: Direction, key: Uint8Array): void {
    this.#direction ??= direction;
    this.#key ??= key;
    if (this.#direction !== direction || this.#key !== key) {
      throw new Error('a cipher chain serves one direction, one key and one usage');
    }
  }

  #room(byteCount: number): Uint8Array {
    const needed = this.#padded(byteCount);
    if (this.#workspace.length < needed) this.#workspace = new Uint8Array(needed);
    return this.#workspace.subarray(0, needed);
  }

  #padded(byteCount: number): number {
    const { blockBytes } = this.profile;
    return Math.ceil(byteCount / blockBytes) * blockBytes;
  }
}

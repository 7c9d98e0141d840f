import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from 'node:crypto';

import type { EnctypeProfile } from './profiles.ts';
import { Rc4 } from './rc4.ts';

type Direction = 'encipher' | 'decipher';

/** Messages that follow each other in a chain, as CipherChain.gather lays them out. */
export interface Run {
  readonly padded: Uint8Array;
  /** Each message as a view of it, with its padding unless the enctype steals ciphertext. */
  readonly messages: readonly Uint8Array[];
}

export interface Enciphered {
  readonly sealed: Uint8Array;
  /** The cipher state that the message was chained to. */
  readonly before: Uint8Array;
}

/**
 * The cipher state that one message hands to the next: the last CBC block, or RC4's keystream.
 * It starts at zero and serves one direction, one key and one usage. After a message that fails it
 * must not be used. @see RFC 3961 §3 (cipher state), RFC 3962 §5
 *
 * Ciphertext stealing ends in the same chaining value as CBC over the zero-padded plaintext, so
 * one cipher object lives as long as the chain, and stealing is a swap of two blocks beside it.
 */
export class CipherChain {
  readonly profile: EnctypeProfile;
  /** The state before the next message, `blockBytes` bytes; stays zero for RC4. */
  readonly state: Uint8Array;
  #direction: Direction | undefined;
  #key: Uint8Array | undefined;
  #cbc: Cipher | Decipher | undefined;
  #ecb: Decipher | undefined;
  #keystream: Rc4 | undefined;
  #room = new Uint8Array(0);

  constructor(profile: EnctypeProfile) {
    this.profile = profile;
    this.state = new Uint8Array(profile.blockBytes);
  }

  /**
   * The messages, each given in pieces, laid end to end and each filled up with zeros to whole
   * blocks. It is overwritten by the next call.
   */
  gather(messages: readonly (readonly Uint8Array[])[]): Run {
    const byteCounts = messages.map(lengthOf);
    let total = 0;
    for (const byteCount of byteCounts) total += this.padded(byteCount);
    const padded = this.#workspace(total);
    const steals = this.profile.mode === 'cbc-cts';
    let end = 0;
    const views = messages.map((pieces, index) => {
      const byteCount = byteCounts[index] as number;
      const start = end;
      end += this.padded(byteCount);
      let at = start;
      for (const piece of pieces) {
        padded.set(piece, at);
        at += piece.length;
      }
      padded.fill(0, at, end);
      return padded.subarray(start, steals ? at : end);
    });
    return { padded, messages: views };
  }

  /**
   * The ciphertext of each message of a run, without the bytes that stealing saves. One call of
   * the cipher serves them all.
   */
  encipher(key: Uint8Array, { padded, messages }: Run): Enciphered[] {
    this.#bind('encipher', key);
    const { blockBytes, mode, cbcCipher } = this.profile;
    const cipher = () => createCipheriv(cbcCipher, key, this.state).setAutoPadding(false);
    let before: Uint8Array = this.state.slice();
    if (mode === 'cbc-cts' && messages.some((message) => message.length === blockBytes)) {
      // A lone block has nothing to steal from, and leaves the state as it was.
      if (messages.length > 1) throw new Error('a message of one block is sealed on its own');
      return [{ sealed: cipher().update(padded), before }];
    }
    this.#cbc ??= cipher();
    const enciphered: Uint8Array = this.#cbc.update(padded);
    this.state.set(enciphered.subarray(enciphered.length - blockBytes));
    let at = 0;
    return messages.map(({ length }) => {
      const whole = enciphered.subarray(at, at + this.padded(length));
      at += whole.length;
      const lastAt = whole.length - blockBytes;
      const result = { sealed: whole.subarray(0, length), before };
      // Not slice: a Buffer's slice is a view, and what it shows is about to be swapped.
      before = new Uint8Array(whole.subarray(lastAt));
      if (mode === 'cbc-cts') {
        whole.copyWithin(lastAt, lastAt - blockBytes, lastAt);
        whole.set(before, lastAt - blockBytes);
      }
      return result;
    });
  }

  /**
   * The plaintext of the first `byteCount` bytes of `sealed`, at least a block of them, and whole
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
    const paddedBytes = this.padded(byteCount);
    const natural =
      o.inPlace && paddedBytes <= sealed.length
        ? sealed.subarray(0, paddedBytes)
        : this.gather([[sealed.subarray(0, byteCount)]]).padded;
    this.#returnStolen(key, natural, byteCount);
    return this.#cbc.update(natural).subarray(0, byteCount);
  }

  /** RC4's keystream: `firstKey` keys it at the first message, and all later ones continue it. */
  keystream(direction: Direction, key: Uint8Array, firstKey: () => Uint8Array): Rc4 {
    this.#bind(direction, key);
    this.#keystream ??= new Rc4(firstKey());
    return this.#keystream;
  }

  /**
   * Puts the last two blocks back into the order of CBC. The stolen bytes are what the cipher
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

  #workspace(byteCount: number): Uint8Array {
    if (this.#room.length < byteCount) this.#room = new Uint8Array(byteCount);
    return this.#room.subarray(0, byteCount);
  }

  /** A length rounded up to whole blocks. */
  padded(byteCount: number): number {
    const { blockBytes } = this.profile;
    return Math.ceil(byteCount / blockBytes) * blockBytes;
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let total = 0;
  for (const piece of pieces) total += piece.length;
  return total;
}

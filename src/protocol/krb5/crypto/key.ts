import { createSecretKey, type KeyObject } from 'node:crypto';

import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { deriveUsageKey, type KeyPurpose, randomToKey } from './derive.ts';
import { type EnctypeProfile, profileOf } from './profiles.ts';

/** A key of one enctype and the keys derived from it. Its bytes do not appear when it is printed. */
export class Key {
  readonly profile: EnctypeProfile;
  readonly #bytes: Uint8Array;
  readonly #derived = new Map<string, Uint8Array>();
  readonly #macKeys = new Map<string, KeyObject>();

  private constructor(profile: EnctypeProfile, bytes: Uint8Array) {
    this.profile = profile;
    this.#bytes = bytes;
  }

  /** A key of its own copy of `bytes`. @throws crypto.unsupported-enctype, crypto.bad-key-size */
  static of(enctype: number, bytes: Uint8Array): Key {
    const profile = profileOf(enctype);
    if (bytes.length !== profile.keyBytes) {
      throw new KpropError('crypto.bad-key-size', { enctype: profile.name, bytes: bytes.length });
    }
    return new Key(profile, Uint8Array.from(bytes));
  }

  /** A fresh key. @throws crypto.unsupported-enctype @see RFC 3961 §3, random-to-key */
  static random(enctype: number, ambient: Ambient): Key {
    const profile = profileOf(enctype);
    return Key.of(enctype, randomToKey(profile, ambient.random(profile.seedBytes)));
  }

  /** The protocol key itself, not a copy: do not change it. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Ke, Ki or Kc of RFC 3961 §5.3; the same array every time it is asked for. */
  derived(usage: number, purpose: KeyPurpose): Uint8Array {
    const name = `${purpose} ${usage}`;
    let key = this.#derived.get(name);
    if (key === undefined) {
      key = deriveUsageKey(this.profile, this.#bytes, usage, purpose);
      this.#derived.set(name, key);
    }
    return key;
  }

  /** The same key as node:crypto's MACs want it: with bytes they take 10 µs longer (Node 24). */
  macKey(usage: number, purpose: KeyPurpose): KeyObject {
    const name = `${purpose} ${usage}`;
    let key = this.#macKeys.get(name);
    if (key === undefined) {
      key = createSecretKey(this.derived(usage, purpose));
      this.#macKeys.set(name, key);
    }
    return key;
  }

  toString(): string {
    return `Key(${this.profile.name})`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

import { isKpropError, KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { decode, encode } from '../../der/schema.ts';
import { makeChecksum, verifyChecksum } from '../crypto/checksum.ts';
import { CipherChain } from '../crypto/cipher.ts';
import { decrypt, encryptRun } from '../crypto/encrypt.ts';
import type { Key } from '../crypto/key.ts';
import { tags, usages } from '../messages/numbers.ts';
import type { HostAddress } from '../messages/parts.ts';
import type { Principal } from '../messages/principal.ts';
import { openPriv, openPrivPart, privWriter } from '../messages/priv.ts';
import { krbSafe, type SafeBody, safeBody } from '../messages/safe.ts';

/**
 * Turns blocks into KRB-PRIVs, each chained to the one before, and returns the pieces of each
 * message in order. Several blocks in one call cost less. No piece shares memory with a block.
 */
export type Sealer = (...blocks: readonly Uint8Array[]) => Uint8Array[][];

/** Opens the next KRB-PRIV. It may overwrite the message; the block shares memory with it. */
export type Opener = (message: Uint8Array) => Uint8Array;

export interface SessionOptions {
  readonly client: Principal;
  readonly server: Principal;
  /** The subkey if there is one, else the session key. */
  readonly key: Key;
  readonly localAddress: HostAddress;
  readonly sendSequence: number;
  readonly receiveSequence: number;
  readonly ambient: Ambient;
}

/** What two authenticated parties share: a key, two running sequence numbers, the addresses. */
export class Session {
  readonly client: Principal;
  readonly server: Principal;
  readonly ambient: Ambient;
  readonly #key: Key;
  readonly #localAddress: HostAddress;
  #sendSequence: number;
  #receiveSequence: number;

  constructor(options: SessionOptions) {
    this.client = options.client;
    this.server = options.server;
    this.ambient = options.ambient;
    this.#key = options.key;
    this.#localAddress = options.localAddress;
    this.#sendSequence = options.sendSequence;
    this.#receiveSequence = options.receiveSequence;
  }

  /** Name of the encryption type that protects the messages. */
  get enctype(): string {
    return this.#key.profile.name;
  }

  /** A KRB-SAFE with this user data; no timestamp, no r-address. @see krb5 mk_safe.c */
  makeSafe(userData: Uint8Array): Uint8Array {
    const number = this.#nextToSend();
    const value: SafeBody = {
      userData,
      ...(number === 0 ? {} : { seqNumber: number }),
      sAddress: this.#localAddress,
    };
    const body = { raw: encode(safeBody, value), value };
    const sum = makeChecksum(this.#key, usages.safeChecksum, safeWithEmptyChecksum(body));
    return encode(krbSafe, {
      pvno: 5,
      msgType: tags.safe,
      safeBody: body,
      cksum: { cksumtype: this.#key.profile.checksumType, checksum: sum },
    });
  }

  /**
   * The user data of the next KRB-SAFE. Its addresses are not compared: behind NAT they differ, and
   * the key, the sequence number and mutual authentication already prove who sent it.
   * @throws crypto.integrity, crypto.bad-checksum-type, session.out-of-order, decode.*
   */
  readSafe(message: Uint8Array): Uint8Array {
    const safe = decode(krbSafe, message);
    requireType('KRB-SAFE', safe.msgType, tags.safe);
    const { cksumtype, checksum } = safe.cksum;
    if (cksumtype !== this.#key.profile.checksumType) {
      throw new KpropError('crypto.bad-checksum-type', { type: cksumtype });
    }
    this.#verifySafe(safe.safeBody, checksum);
    this.#receive('KRB-SAFE', safe.safeBody.value.seqNumber ?? 0);
    return safe.safeBody.value.userData;
  }

  /** The only way to make KRB-PRIV: the messages of one sealer are chained, from a state of zero. */
  sealer(): Sealer {
    const key = this.#key;
    const o = { ambient: this.ambient, chain: new CipherChain(key.profile) };
    const writer = privWriter(key.profile.number, this.#localAddress);
    return (...blocks) => {
      const parts = blocks.map((block) => writer.part(block, this.#nextToSend()));
      return encryptRun(key, usages.privEncPart, parts, o).map((cipher) => {
        let cipherBytes = 0;
        for (const piece of cipher) cipherBytes += piece.length;
        return [writer.head(cipherBytes), ...cipher];
      });
    };
  }

  /** The only way to read KRB-PRIV. @throws crypto.integrity, session.out-of-order, decode.* */
  opener(): Opener {
    const key = this.#key;
    const chain = new CipherChain(key.profile);
    return (message) => {
      const { etype, cipher } = openPriv(message);
      if (etype !== key.profile.number)
        throw new KpropError('crypto.integrity', { what: 'KRB-PRIV' });
      const plain = decrypt(key, usages.privEncPart, cipher, { chain, inPlace: true });
      const { userData, sequenceNumber } = openPrivPart(plain);
      this.#receive('KRB-PRIV', sequenceNumber);
      return userData;
    };
  }

  #verifySafe(body: SafeBodyBytes, sum: Uint8Array): void {
    try {
      verifyChecksum(this.#key, usages.safeChecksum, safeWithEmptyChecksum(body), sum);
    } catch (error) {
      if (!isKpropError(error, 'crypto.integrity')) throw error;
      // By RFC 4120 §5.6.1 the checksum covers the body only, and some senders follow that.
      verifyChecksum(this.#key, usages.safeChecksum, body.raw, sum);
    }
  }

  #nextToSend(): number {
    const number = this.#sendSequence;
    this.#sendSequence = (number + 1) >>> 0;
    return number;
  }

  #receive(what: string, got: number): void {
    const expected = this.#receiveSequence;
    if (got !== expected) throw new KpropError('session.out-of-order', { what, expected, got });
    this.#receiveSequence = (expected + 1) >>> 0;
  }
}

interface SafeBodyBytes {
  readonly raw: Uint8Array;
  readonly value: SafeBody;
}

/** What the KRB-SAFE checksum covers: the whole message, an empty checksum in its place. */
function safeWithEmptyChecksum(body: SafeBodyBytes): Uint8Array {
  return encode(krbSafe, {
    pvno: 5,
    msgType: tags.safe,
    safeBody: body,
    cksum: { cksumtype: 0, checksum: new Uint8Array(0) },
  });
}

function requireType(what: string, found: number, wanted: number): void {
  if (found !== wanted) {
    throw new KpropError('message.unexpected', {
      wanted: `${what} (type ${wanted})`,
      found: `type ${found}`,
    });
  }
}

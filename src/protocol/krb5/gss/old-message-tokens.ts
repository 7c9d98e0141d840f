import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

import { KpropError } from '../../../errors/kprop-error.ts';
import { concat, equalBytes } from '../../bytes.ts';
import { makeChecksum, sameMac } from '../crypto/checksum.ts';
import type { Key } from '../crypto/key.ts';
import { Rc4 } from '../crypto/rc4.ts';
import { usages } from '../messages/numbers.ts';
import type { MessageTokens, Side, TokenOptions } from './message-tokens.ts';
import { frameToken, unframeToken } from './token-frame.ts';

/**
 * The tokens of rc4 and des3, whose encryption types are older than RFC 4121. They tell the sides apart
 * by the byte after the sequence number alone. @see RFC 1964 §1.2, RFC 4757 §7; MIT k5seal.c
 */
export function oldMessageTokens({ side, key, ambient }: TokenOptions): MessageTokens {
  const other: Side = side === 'initiator' ? 'acceptor' : 'initiator';
  const algorithms = algorithmsOf(key);
  const make = (id: number, sequence: number, head: Uint8Array, covered: Uint8Array) => {
    const sum = algorithms.checksum(id, concat(head, covered));
    const sealedSequence = algorithms.sequence(
      sum,
      sequenceField(algorithms, sequence, side),
      true,
    );
    return (rest: Uint8Array) => frameToken(id, head.subarray(2), sealedSequence, sum, rest);
  };
  /** Checks everything but what the token covers, which may have to be decrypted first. */
  const open = (id: number, token: Uint8Array, sealing: number) => {
    const frame = unframeToken(token);
    const head = headOf(id, algorithms.signature, sealing);
    const { content } = frame;
    const sumEnd = 14 + algorithms.sumBytes;
    if (
      frame.id !== id ||
      content.length < sumEnd ||
      !equalBytes(content.subarray(0, 6), head.subarray(2))
    ) {
      const reason = 'is not one that the other side makes in this context';
      throw new KpropError('decode.bad-value', { what: 'GSS token', reason });
    }
    const sum = content.subarray(14, sumEnd);
    const field = algorithms.sequence(sum, content.subarray(6, 14), false);
    const sequence = sequenceOf(algorithms, field);
    const verify = (covered: Uint8Array) => {
      const expected = algorithms.checksum(id, concat(head, covered));
      const rightSide = equalBytes(field, sequenceField(algorithms, sequence, other));
      if (!sameMac(expected, sum) || !rightSide) {
        throw new KpropError('crypto.integrity', { what: 'GSS token' });
      }
    };
    return { sequence, rest: content.subarray(sumEnd), verify };
  };
  return {
    makeMic(sequence, message) {
      const head = headOf(ids.mic, algorithms.signature, notSealed);
      return make(ids.mic, sequence, head, message)(new Uint8Array(0));
    },
    verifyMic(token, message) {
      const { sequence, verify } = open(ids.mic, token, notSealed);
      verify(message);
      return sequence;
    },
    wrap(sequence, message) {
      const head = headOf(ids.wrap, algorithms.signature, algorithms.sealing);
      const { padTo } = algorithms;
      const padBytes = padTo - (message.length % padTo);
      const padding = new Uint8Array(padBytes).fill(padBytes);
      const plain = concat(ambient.random(confounderBytes), message, padding);
      return make(ids.wrap, sequence, head, plain)(algorithms.crypt(sequence, plain, true));
    },
    unwrap(token) {
      const { sequence, rest, verify } = open(ids.wrap, token, algorithms.sealing);
      const plain = algorithms.crypt(sequence, rest, false);
      verify(plain);
      const padBytes = plain.at(-1) ?? 0;
      const end = plain.length - padBytes;
      if (end < confounderBytes) throw new KpropError('crypto.integrity', { what: 'GSS token' });
      return { sequence, message: plain.subarray(confounderBytes, end) };
    },
  };
}

/** All in which the two differ. */
interface Algorithms {
  readonly signature: number;
  readonly sealing: number;
  readonly sumBytes: number;
  /** What a message is padded to a multiple of, by one byte at least. */
  readonly padTo: number;
  /** Byte order of the sequence number. */
  readonly littleEndian: boolean;
  checksum(id: number, covered: Uint8Array): Uint8Array;
  /** The field of the sequence number, encrypted or decrypted. */
  sequence(sum: Uint8Array, field: Uint8Array, encrypting: boolean): Uint8Array;
  crypt(sequence: number, data: Uint8Array, encrypting: boolean): Uint8Array;
}

function algorithmsOf(key: Key): Algorithms {
  return key.profile.family === 'rc4' ? rc4Algorithms(key) : des3Algorithms(key);
}

/** RFC 4757 §7. */
function rc4Algorithms(key: Key): Algorithms {
  const sequenceKey = hmacMd5(key.bytes, new Uint8Array(4));
  const sealingKey = hmacMd5(
    key.bytes.map((byte) => byte ^ 0xf0),
    new Uint8Array(4),
  );
  const crypt = (with_: Uint8Array, data: Uint8Array) => {
    const result = Uint8Array.from(data);
    new Rc4(with_).apply(result);
    return result;
  };
  return {
    signature: 0x0011,
    sealing: 0x0010,
    sumBytes: 8,
    padTo: 1,
    littleEndian: false,
    checksum: (id, covered) =>
      makeChecksum(key, id === ids.mic ? rc4MicUsage : usages.acceptorSign, covered).subarray(0, 8),
    sequence: (sum, field) => crypt(hmacMd5(sequenceKey, sum), field),
    crypt(sequence, data) {
      const number = new Uint8Array(4);
      new DataView(number.buffer).setUint32(0, sequence);
      return crypt(hmacMd5(sealingKey, number), data);
    },
  };
}

/** MIT's own, which no RFC has; padding and checksum as its k5seal.c makes them. */
function des3Algorithms(key: Key): Algorithms {
  const crypt = (iv: Uint8Array, data: Uint8Array, encrypting: boolean) => {
    const make = encrypting ? createCipheriv : createDecipheriv;
    const cipher = make(key.profile.cbcCipher, key.bytes, iv).setAutoPadding(false);
    if (data.length % 8 !== 0) throw new KpropError('crypto.integrity', { what: 'GSS token' });
    return new Uint8Array(cipher.update(data));
  };
  return {
    signature: 0x0004,
    sealing: 0x0002,
    sumBytes: 20,
    padTo: 8,
    littleEndian: true,
    checksum: (_, covered) => makeChecksum(key, usages.acceptorSign, covered),
    sequence: (sum, field, encrypting) => crypt(sum.subarray(0, 8), field, encrypting),
    crypt: (_, data, encrypting) => crypt(new Uint8Array(8), data, encrypting),
  };
}

const ids = { mic: 0x0101, wrap: 0x0201 } as const;
const notSealed = 0xffff;
const confounderBytes = 8;
/** RFC 4757 §7.2: MIC tokens have a usage that is outside the table of usages. */
const rc4MicUsage = 15;
const directions: Readonly<Record<Side, number>> = { initiator: 0, acceptor: 0xff };

/** What the checksum covers first: the identifier, the two algorithms, filler. */
function headOf(id: number, signature: number, sealing: number): Uint8Array {
  const head = new Uint8Array(8).fill(0xff);
  const view = new DataView(head.buffer);
  view.setUint16(0, id);
  view.setUint16(2, signature, true);
  view.setUint16(4, sealing, true);
  return head;
}

function sequenceField({ littleEndian }: Algorithms, sequence: number, side: Side): Uint8Array {
  const field = new Uint8Array(8).fill(directions[side]);
  new DataView(field.buffer).setUint32(0, sequence, littleEndian);
  return field;
}

function sequenceOf({ littleEndian }: Algorithms, field: Uint8Array): number {
  return new DataView(field.buffer, field.byteOffset).getUint32(0, littleEndian);
}

function hmacMd5(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('md5', key).update(data).digest();
}

import { KpropError } from '../../../errors/kprop-error.ts';
import type { Ambient } from '../../ambient.ts';
import { concat, equalBytes } from '../../bytes.ts';
import { makeChecksum, verifyChecksum } from '../crypto/checksum.ts';
import { decrypt, encrypt } from '../crypto/encrypt.ts';
import type { Key } from '../crypto/key.ts';
import { usages } from '../messages/numbers.ts';

export type Side = 'initiator' | 'acceptor';

/** What a token carried. */
export interface Opened {
  readonly sequence: number;
  readonly message: Uint8Array;
}

/** How a context protects messages: with or without encryption. Sequence numbers are its caller's. */
export interface MessageTokens {
  makeMic(sequence: number, message: Uint8Array): Uint8Array;
  /** The sequence number of a MIC of the other side's. @throws crypto.integrity, decode.* */
  verifyMic(token: Uint8Array, message: Uint8Array): number;
  /** Encrypts. */
  wrap(sequence: number, message: Uint8Array): Uint8Array;
  /** Of the other side's; one that is not encrypted is refused. @throws crypto.integrity, decode.* */
  unwrap(token: Uint8Array): Opened;
}

export interface TokenOptions {
  /** Which side makes tokens here. */
  readonly side: Side;
  readonly key: Key;
  /** Whether the key is the acceptor's subkey. */
  readonly acceptorSubkey: boolean;
  readonly ambient: Ambient;
}

/** The tokens of all encryption types since AES. @see RFC 4121 §4.2 */
export function messageTokens({ side, key, acceptorSubkey, ambient }: TokenOptions): MessageTokens {
  const other: Side = side === 'initiator' ? 'acceptor' : 'initiator';
  const flagsOf = (sender: Side, sealed: boolean) =>
    (sender === 'acceptor' ? flags.sentByAcceptor : 0) |
    (sealed ? flags.sealed : 0) |
    (acceptorSubkey ? flags.acceptorSubkey : 0);
  return {
    makeMic(sequence, message) {
      const head = header(ids.mic, flagsOf(side, false), 0xffff_ffff, sequence);
      const sum = makeChecksum(key, micUsages[side], concat(message, head));
      return concat(head, sum);
    },
    verifyMic(token, message) {
      const head = token.subarray(0, headerBytes);
      const expected = header(ids.mic, flagsOf(other, false), 0xffff_ffff, sequenceIn(head));
      if (!equalBytes(head, expected)) throw unlike('MIC token');
      verifyChecksum(key, micUsages[other], concat(message, head), token.subarray(headerBytes));
      return sequenceIn(head);
    },
    wrap(sequence, message) {
      const head = header(ids.wrap, flagsOf(side, true), 0, sequence);
      return concat(head, encrypt(key, wrapUsages[side], concat(message, head), { ambient }));
    },
    unwrap(token) {
      const head = token.subarray(0, headerBytes);
      const sequence = sequenceIn(head);
      const view = new DataView(head.buffer, head.byteOffset, headerBytes);
      const extraBytes = view.getUint16(4);
      const rotated = view.getUint16(6);
      // The rotation is made after encryption, and is not part of what was protected.
      const expected = header(ids.wrap, flagsOf(other, true), extraBytes * 0x10000, sequence);
      if (!equalBytes(head.subarray(0, 4), expected.subarray(0, 4))) throw unlike('Wrap token');
      const sealed = rotatedLeft(token.subarray(headerBytes), rotated);
      const plain = decrypt(key, wrapUsages[other], sealed);
      const end = plain.length - headerBytes - extraBytes;
      if (end < 0 || !equalBytes(plain.subarray(plain.length - headerBytes), expected)) {
        throw new KpropError('crypto.integrity', { what: 'Wrap token' });
      }
      return { sequence, message: plain.subarray(0, end) };
    },
  };
}

const ids = { mic: 0x0404, wrap: 0x0504 } as const;
const flags = { sentByAcceptor: 1, sealed: 2, acceptorSubkey: 4 } as const;
const wrapUsages = { acceptor: usages.acceptorSeal, initiator: usages.initiatorSeal } as const;
const micUsages = { acceptor: usages.acceptorSign, initiator: usages.initiatorSign } as const;
const headerBytes = 16;

/** The first 16 bytes of either token; `counts` are EC and RRC of a Wrap, the filler of a MIC. */
function header(id: number, flagByte: number, counts: number, sequence: number): Uint8Array {
  const head = new Uint8Array(headerBytes);
  const view = new DataView(head.buffer);
  view.setUint16(0, id);
  view.setUint8(2, flagByte);
  view.setUint8(3, 0xff);
  view.setUint32(4, counts);
  view.setUint32(8, Math.floor(sequence / 0x1_0000_0000));
  view.setUint32(12, sequence >>> 0);
  return head;
}

/** The 64-bit sequence number; none of ours comes near 2^53. */
function sequenceIn(head: Uint8Array): number {
  if (head.length < headerBytes) throw unlike('GSS token');
  const view = new DataView(head.buffer, head.byteOffset, headerBytes);
  const sequence = view.getUint32(8) * 0x1_0000_0000 + view.getUint32(12);
  if (!Number.isSafeInteger(sequence)) throw unlike('GSS token');
  return sequence;
}

function rotatedLeft(bytes: Uint8Array, count: number): Uint8Array {
  if (bytes.length === 0 || count % bytes.length === 0) return bytes;
  const at = count % bytes.length;
  return concat(bytes.subarray(at), bytes.subarray(0, at));
}

function unlike(what: string): KpropError {
  const reason = 'is not one that the other side makes in this context';
  return new KpropError('decode.bad-value', { what, reason });
}

import { type BaseBlock, fromBER, Primitive } from 'asn1js';

import { KpropError } from '../../errors/kprop-error.ts';
import { utf8 } from '../bytes.ts';
import { parseElement } from './element.ts';
import { type Codec, primitiveContent } from './schema.ts';

/** Of a ticket that our own KDC gave us, and of what we have written ourselves. */
const rawElementLimit = 4096;
const INTEGER = 2;
const BIT_STRING = 3;
const OCTET_STRING = 4;
const GENERALIZED_TIME = 24;
const GENERAL_STRING = 27;

/** Int32 (RFC 4120 §5.2.4), a signed number. */
export const int32: Codec<number> = integer('Int32', -0x80000000n, 0x7fffffffn);

/** UInt32 (RFC 4120 §5.2.4). */
export const uint32: Codec<number> = integer('UInt32', 0n, 0xffffffffn);

/**
 * A sequence number or nonce. Old implementations write it as a signed integer: the negative form
 * is read as the same 32 bits (RFC 4120 §5.5.1).
 */
export const seqNumber: Codec<number> = {
  ...uint32,
  label: 'sequence number',
  fromElement: (element, path) =>
    integer(path, -0x80000000n, 0xffffffffn).fromElement(element, path) >>> 0,
};

/** Microseconds, 0 to 999999 (RFC 4120 §5.2.4). */
export const microseconds: Codec<number> = integer('Microseconds', 0n, 999_999n);

/** OCTET STRING. The bytes share memory with what they were decoded from. */
export const octetString: Codec<Uint8Array> = {
  label: 'OCTET STRING',
  toNode: (value) => leaf(OCTET_STRING, value),
  fromElement: (element, path) => primitiveContent(element, OCTET_STRING, path),
};

/** The bytes of a GeneralString, the type of every Kerberos text (RFC 4120 §5.2.1). */
export const stringBytes: Codec<Uint8Array> = {
  label: 'GeneralString',
  toNode: (value) => leaf(GENERAL_STRING, value),
  fromElement: (element, path) => primitiveContent(element, GENERAL_STRING, path),
};

/** KerberosTime as seconds since 1970 UTC; on the wire YYYYMMDDHHMMSSZ (RFC 4120 §5.2.3). */
export const kerberosTime: Codec<number> = {
  label: 'KerberosTime',
  toNode: (seconds) => leaf(GENERALIZED_TIME, utf8(formatTime(seconds))),
  fromElement(element, path) {
    const text = String.fromCharCode(
      ...primitiveContent(element, GENERALIZED_TIME, path).slice(0, 16),
    );
    const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
    if (parts !== null) {
      const [year, month, day, hour, minute, second] = parts.slice(1);
      const seconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000;
      // Some parsers carry 31 February into March: only a time that formats back is one.
      if (!Number.isNaN(seconds) && formatTime(seconds) === text) return seconds;
    }
    throw new KpropError('decode.bad-value', { what: path, reason: 'is not a KerberosTime' });
  },
};

/** KerberosFlags as an unsigned number, bit 0 of the RFC on top (RFC 4120 §5.2.8). */
export const flags: Codec<number> = {
  label: 'KerberosFlags',
  toNode(value) {
    const content = new Uint8Array(5);
    new DataView(content.buffer).setUint32(1, value);
    return leaf(BIT_STRING, content);
  },
  fromElement(element, path) {
    const content = primitiveContent(element, BIT_STRING, path);
    if (content.length < 5 || content[0] !== 0) {
      throw new KpropError('decode.bad-value', { what: path, reason: 'is not 32 flags or more' });
    }
    return new DataView(content.buffer, content.byteOffset).getUint32(1);
  },
};

/** What a checksum or a peer needs as it came: the exact bytes beside the value. */
export interface WithRaw<T> {
  readonly raw: Uint8Array;
  readonly value: T;
}

/** Reads a value and keeps its bytes; writes the bytes as they are. */
export function withRaw<T>(codec: Codec<T>): Codec<WithRaw<T>> {
  return {
    label: codec.label,
    toNode: ({ raw }) => rawNode(raw, codec.label),
    fromElement: (element, path) => ({
      raw: element.whole,
      value: codec.fromElement(element, path),
    }),
  };
}

/** The bytes as they are. The only place where asn1js reads; octet strings it leaves alone. */
function rawNode(der: Uint8Array, label: string): BaseBlock {
  parseElement(der, label, rawElementLimit);
  const { offset, result } = fromBER(der, { parseEmbedded: false, copyInput: false });
  if (offset === der.length && !result.error) return result;
  throw new KpropError('decode.bad-value', { what: label, reason: 'is not DER' });
}

/** YYYYMMDDHHMMSSZ of seconds since 1970. */
export function formatTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}

function integer(label: string, least: bigint, most: bigint): Codec<number> {
  return {
    label,
    toNode: (value) => leaf(INTEGER, integerContent(BigInt(value))),
    fromElement(element, path) {
      const content = primitiveContent(element, INTEGER, path);
      const [first = 0, second = 0] = content;
      const padded = content.length > 1 && (first === 0 || first === 0xff);
      if (content.length === 0 || content.length > 8 || (padded && first >> 7 === second >> 7)) {
        throw new KpropError('decode.bad-value', { what: path, reason: 'is not a DER integer' });
      }
      let value = first & 0x80 ? -1n : 0n;
      for (const byte of content) value = (value << 8n) | BigInt(byte);
      if (value < least || value > most) {
        throw new KpropError('decode.bad-value', {
          what: path,
          reason: `${value} is out of range`,
        });
      }
      return Number(value);
    },
  };
}

/** Shortest two's complement. */
function integerContent(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.unshift(Number(rest & 0xffn));
    rest >>= 8n;
  } while (rest !== (bytes[0]! & 0x80 ? -1n : 0n));
  return Uint8Array.from(bytes);
}

function leaf(tagNumber: number, content: Uint8Array): Primitive {
  return new Primitive({ idBlock: { tagClass: 1, tagNumber }, valueHex: content });
}

import { KpropError } from '../../errors/kprop-error.ts';
import { utf8 } from '../bytes.ts';
import { integerContent, integerOf } from './integer.ts';
import { type Codec, contentOf } from './schema.ts';
import { universalTags } from './tag.ts';
import { primitive, verbatim } from './writer.ts';

/** Int32 (RFC 4120 §5.2.4), a signed number. */
export const int32: Codec<number> = integer('Int32', -0x80000000, 0x7fffffff);

/** UInt32 (RFC 4120 §5.2.4). */
export const uint32: Codec<number> = integer('UInt32', 0, 0xffffffff);

/**
 * A sequence number or nonce. Old implementations write it as a signed integer: the negative form
 * is read as the same 32 bits (RFC 4120 §5.5.1).
 */
export const seqNumber: Codec<number> = {
  ...uint32,
  label: 'sequence number',
  fromElement: (element, path) => eitherSign.fromElement(element, path) >>> 0,
};
const eitherSign = integer('sequence number', -0x80000000, 0xffffffff);

/** Microseconds, 0 to 999999 (RFC 4120 §5.2.4). */
export const microseconds: Codec<number> = integer('Microseconds', 0, 999_999);

/** OCTET STRING. The bytes share memory with what they were decoded from. */
export const octetString = byteString('OCTET STRING', universalTags.octetString);

/** The bytes of a GeneralString, the type of every Kerberos text (RFC 4120 §5.2.1). */
export const stringBytes = byteString('GeneralString', universalTags.generalString);

/** KerberosTime as seconds since 1970 UTC; on the wire YYYYMMDDHHMMSSZ (RFC 4120 §5.2.3). */
export const kerberosTime: Codec<number> = {
  label: 'KerberosTime',
  toNode: (seconds) => primitive(universalTags.generalizedTime, utf8(formatTime(seconds))),
  fromElement(element, path) {
    const text = String.fromCharCode(
      ...contentOf(element, universalTags.generalizedTime, path).slice(0, 16),
    );
    const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
    if (parts !== null) {
      const [year, month, day, hour, minute, second] = parts.slice(1);
      const seconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000;
      // Date.parse may read 31 February as a day in March, which formats back to another text.
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
    return primitive(universalTags.bitString, content);
  },
  fromElement(element, path) {
    const content = contentOf(element, universalTags.bitString, path);
    if (content.length < 5 || content[0] !== 0) {
      throw new KpropError('decode.bad-value', { what: path, reason: 'is not 32 flags or more' });
    }
    return new DataView(content.buffer, content.byteOffset).getUint32(1);
  },
};

/** A value and its bytes as they came, which a checksum covers or which are passed on unchanged. */
export interface WithRaw<T> {
  readonly raw: Uint8Array;
  readonly value: T;
}

/** Reads a value and keeps its bytes; writes the bytes as they are. */
export function withRaw<T>(codec: Codec<T>): Codec<WithRaw<T>> {
  return {
    label: codec.label,
    toNode: ({ raw }) => verbatim(raw, codec.label),
    fromElement: (element, path) => ({
      raw: element.whole,
      value: codec.fromElement(element, path),
    }),
  };
}

/** YYYYMMDDHHMMSSZ of seconds since 1970. */
export function formatTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}

function byteString(label: string, tag: number): Codec<Uint8Array> {
  return {
    label,
    toNode: (value) => primitive(tag, value),
    fromElement: (element, path) => contentOf(element, tag, path),
  };
}

function integer(label: string, least: number, most: number): Codec<number> {
  return {
    label,
    toNode: (value) => primitive(universalTags.integer, integerContent(value)),
    fromElement: (element, path) =>
      integerOf(contentOf(element, universalTags.integer, path), path, least, most),
  };
}

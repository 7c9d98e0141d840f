import type { ByteReader } from '../bytes.ts';
import { bigEndian, type Codec } from './schema.ts';

/** Unsigned Integer (RFC 4506 §4.2). */
export const uint32: Codec<number> = number('unsigned int', (input) => input.uint32());

/** Integer and Enumeration (§4.1, §4.3). */
export const int32: Codec<number> = number('int', (input) => input.int32());

/** A 16-bit integer of C: a whole unit, of which only the lower half counts. @see MIT xdr_int16 */
export const int16: Codec<number> = number('short', (input) => (input.uint32() << 16) >> 16);

/** Boolean (§4.4); as MIT reads it, whatever is not 0 is true. */
export const bool: Codec<boolean> = {
  label: 'bool',
  leastBytes: 4,
  write: (value, out) => void out.push(bigEndian(value ? 1 : 0)),
  read: (input) => input.uint32() !== 0,
};

/** Nothing. */
export const nothing: Codec<undefined> = {
  label: 'void',
  leastBytes: 0,
  write: () => undefined,
  read: () => undefined,
};

/**
 * Variable-length opaque data (§4.10) and strings (§4.11): a length, the bytes, zeros up to a multiple
 * of 4, which nobody checks. The bytes share memory with what they were decoded from.
 */
export const opaque: Codec<Uint8Array> = {
  label: 'opaque',
  leastBytes: 4,
  write(bytes, out) {
    out.push(bigEndian(bytes.length), bytes);
    if (bytes.length % 4 !== 0) out.push(new Uint8Array(4 - (bytes.length % 4)));
  },
  read(input) {
    const bytes = input.bytes(input.uint32());
    input.bytes((4 - (bytes.length % 4)) % 4);
    return bytes;
  },
};

function number(label: string, read: (input: ByteReader) => number): Codec<number> {
  return { label, leastBytes: 4, write: (value, out) => void out.push(bigEndian(value)), read };
}

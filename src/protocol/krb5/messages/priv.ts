import { concat } from '../../bytes.ts';
import { int32, kerberosTime, microseconds, octetString, seqNumber } from '../../der/primitives.ts';
import { application, type Decoded, decode, field, optional, sequence } from '../../der/schema.ts';
import { TagCursor } from '../../der/tag-cursor.ts';
import { tags } from './numbers.ts';
import { encryptedData, type HostAddress, hostAddress } from './parts.ts';

/** KRB-PRIV, RFC 4120 §5.7.1. Field [2] does not exist. */
export const krbPriv = application(
  tags.priv,
  sequence('KRB-PRIV', {
    pvno: field(0, int32),
    msgType: field(1, int32),
    encPart: field(3, encryptedData),
  }),
);

/** EncKrbPrivPart, RFC 4120 §5.7.1. */
export const encKrbPrivPart = application(
  tags.encKrbPrivPart,
  sequence('EncKrbPrivPart', {
    userData: field(0, octetString),
    timestamp: optional(1, kerberosTime),
    usec: optional(2, microseconds),
    seqNumber: optional(3, seqNumber),
    sAddress: field(4, hostAddress),
    rAddress: optional(5, hostAddress),
  }),
);
export type EncKrbPrivPart = Decoded<typeof encKrbPrivPart>;

/*
 * The flat codec: one KRB-PRIV a block, thousands a second, too many for a schema walk. Its tests
 * prove it equal to the tables above, byte for byte.
 */

/**
 * Writes what stands around the blocks of one conversation. Nearly all blocks have one size: what
 * depends on the size alone is made once.
 */
export interface PrivWriter {
  /** An EncKrbPrivPart in pieces, the DER that the schema would write. */
  part(block: Uint8Array, sequenceNumber: number): readonly [Uint8Array, Uint8Array, Uint8Array];
  /** All of a KRB-PRIV that comes before its `cipherBytes` bytes of cipher. */
  head(cipherBytes: number): Uint8Array;
}

export function privWriter(etype: number, sAddress: HostAddress): PrivWriter {
  const address = addressField(sAddress);
  const etypeField = explicit(0, signedInteger(etype));
  let partSize = [-1, -1];
  let partHead: Uint8Array = none;
  let cipherSize = -1;
  let head: Uint8Array = none;
  return {
    part(block, sequenceNumber) {
      // MIT leaves out a sequence number of 0 and reads an absent one as 0 (krb5 asn1_k_encode.c).
      const number = sequenceNumber === 0 ? none : explicit(3, unsignedInteger(sequenceNumber));
      const tail = concat(number, address);
      if (partSize[0] !== block.length || partSize[1] !== tail.length) {
        partSize = [block.length, tail.length];
        partHead = makePartHead(block.length, tail.length);
      }
      return [partHead, block, tail];
    },
    head(cipherBytes) {
      if (cipherSize !== cipherBytes) {
        cipherSize = cipherBytes;
        head = makeHead(etypeField, cipherBytes);
      }
      return head;
    },
  };
}

function makePartHead(blockBytes: number, tailBytes: number): Uint8Array {
  const dataHead = header(0x04, blockBytes);
  const fieldHead = header(0xa0, dataHead.length + blockBytes);
  const content = fieldHead.length + dataHead.length + blockBytes + tailBytes;
  const sequenceHead = header(0x30, content);
  const outer = header(0x60 | tags.encKrbPrivPart, sequenceHead.length + content);
  return concat(outer, sequenceHead, fieldHead, dataHead);
}

function makeHead(etypeField: Uint8Array, cipherBytes: number): Uint8Array {
  const cipherHead = header(0x04, cipherBytes);
  const cipherField = header(0xa2, cipherHead.length + cipherBytes);
  const partBytes = etypeField.length + cipherField.length + cipherHead.length + cipherBytes;
  const part = header(0x30, partBytes);
  const partField = header(0xa3, part.length + partBytes);
  const bodyBytes = versionAndType.length + partField.length + part.length + partBytes;
  const body = header(0x30, bodyBytes);
  return concat(
    header(0x60 | tags.priv, body.length + bodyBytes),
    body,
    versionAndType,
    partField,
    part,
    etypeField,
    cipherField,
    cipherHead,
  );
}

/** The encryption type and the cipher of a KRB-PRIV, the latter a view. @throws decode.* */
export function openPriv(message: Uint8Array): { etype: number; cipher: Uint8Array } {
  const cursor = new TagCursor(message, 'KRB-PRIV');
  cursor.enter(0x60 | tags.priv);
  cursor.enter(0x30);
  cursor.literal(versionAndType, 'version 5, type 21');
  cursor.enter(0xa3);
  cursor.enter(0x30);
  const etype = cursor.integerField(0xa0, -0x80000000, 0x7fffffff);
  if (cursor.next === 0xa1) cursor.integerField(0xa1, 0, 0xffffffff);
  cursor.enter(0xa2);
  const cipher = cursor.run(0x04);
  cursor.end();
  return { etype, cipher };
}

/**
 * The user data (a view) and the sequence number of a decrypted EncKrbPrivPart. Ciphers that fill
 * whole blocks leave zero bytes behind it; nothing else may follow. @throws decode.*
 */
export function openPrivPart(plain: Uint8Array): { userData: Uint8Array; sequenceNumber: number } {
  const cursor = new TagCursor(plain, 'EncKrbPrivPart');
  cursor.enterPadded(0x60 | tags.encKrbPrivPart);
  cursor.enter(0x30);
  cursor.enter(0xa0);
  const userData = cursor.run(0x04);
  cursor.leave();
  // MIT sends neither of the first two here: they may take the slow way.
  if (cursor.next === 0xa1) decode(kerberosTime, cursor.run(0xa1));
  if (cursor.next === 0xa2) decode(microseconds, cursor.run(0xa2));
  const sequenceNumber =
    cursor.next === 0xa3 ? cursor.integerField(0xa3, -0x80000000, 0xffffffff) >>> 0 : 0;
  cursor.addressField(0xa4);
  if (cursor.next === 0xa5) cursor.addressField(0xa5);
  cursor.end();
  return { userData, sequenceNumber };
}

function header(tag: number, length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(tag, length);
  if (length < 0x100) return Uint8Array.of(tag, 0x81, length);
  if (length < 0x10000) return Uint8Array.of(tag, 0x82, length >> 8, length & 0xff);
  return Uint8Array.of(tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff);
}

function explicit(tag: number, inner: Uint8Array): Uint8Array {
  return concat(header(0xa0 | tag, inner.length), inner);
}

function addressField({ addrType, address }: HostAddress): Uint8Array {
  const value = concat(header(0x04, address.length), address);
  const content = concat(explicit(0, signedInteger(addrType)), explicit(1, value));
  return explicit(4, concat(header(0x30, content.length), content));
}

function unsignedInteger(value: number): Uint8Array {
  const bytes = [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
  while (bytes.length > 1 && bytes[0] === 0) bytes.shift();
  if ((bytes[0] as number) & 0x80) bytes.unshift(0);
  return Uint8Array.of(0x02, bytes.length, ...bytes);
}

/** Encryption types are small: one byte, or two. */
function signedInteger(value: number): Uint8Array {
  return value >= -128 && value < 128
    ? Uint8Array.of(0x02, 1, value & 0xff)
    : Uint8Array.of(0x02, 2, (value >> 8) & 0xff, value & 0xff);
}

const none = new Uint8Array(0);
const versionAndType = concat(explicit(0, signedInteger(5)), explicit(1, signedInteger(tags.priv)));

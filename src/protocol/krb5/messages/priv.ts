import { concat } from '../../bytes.ts';
import { int32, kerberosTime, microseconds, octetString, seqNumber } from '../../der/primitives.ts';
import { DerReader } from '../../der/reader.ts';
import {
  application,
  type Decoded,
  decode,
  encode,
  encodeField,
  field,
  optional,
  sequence,
} from '../../der/schema.ts';
import { applicationTag, contextTag, universalTags } from '../../der/tag.ts';
import { integerField } from '../../der/writer.ts';
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
 * The flat codec: there is one KRB-PRIV a block, thousands a second, too many to walk the tables
 * for. The tables write what stands around a block once for each size, and the reader below takes a
 * message apart in one go. Tests prove both equal to the tables, byte for byte.
 */

/** Writes what stands around the blocks of one conversation. Nearly all blocks have one size. */
export interface PrivWriter {
  /** An EncKrbPrivPart in pieces, the DER that its table would write. */
  part(block: Uint8Array, sequenceNumber: number): readonly [Uint8Array, Uint8Array, Uint8Array];
  /** All of a KRB-PRIV that comes before its `cipherBytes` bytes of cipher. */
  head(cipherBytes: number): Uint8Array;
}

export function privWriter(etype: number, sAddress: HostAddress): PrivWriter {
  const address = encodeField(field(4, hostAddress), sAddress);
  let blockBytes = -1;
  let tailBytes = -1;
  let partHead: Uint8Array = none;
  let headOfBytes = -1;
  let head: Uint8Array = none;
  return {
    part(block, sequenceNumber) {
      // MIT leaves out a sequence number of 0 and reads an absent one as 0 (krb5 asn1_k_encode.c).
      const tail =
        sequenceNumber === 0 ? address : concat(integerField(3, sequenceNumber), address);
      if (blockBytes !== block.length || tailBytes !== tail.length) {
        blockBytes = block.length;
        tailBytes = tail.length;
        const number = sequenceNumber === 0 ? {} : { seqNumber: sequenceNumber };
        const whole = encode(encKrbPrivPart, { userData: block, ...number, sAddress });
        partHead = whole.slice(0, whole.length - blockBytes - tailBytes);
      }
      return [partHead, block, tail];
    },
    head(cipherBytes) {
      if (headOfBytes !== cipherBytes) {
        headOfBytes = cipherBytes;
        const encPart = { etype, cipher: new Uint8Array(cipherBytes) };
        const whole = encode(krbPriv, { pvno: 5, msgType: tags.priv, encPart });
        head = whole.slice(0, whole.length - cipherBytes);
      }
      return head;
    },
  };
}

/** The encryption type and the cipher of a KRB-PRIV, the latter a view. @throws decode.* */
export function openPriv(message: Uint8Array): { etype: number; cipher: Uint8Array } {
  const reader = new DerReader(message, 'KRB-PRIV');
  reader.enter(applicationTag(tags.priv));
  reader.enter(universalTags.sequence);
  reader.literal(versionAndType, 'version 5, type 21');
  reader.enter(contextTag(3));
  reader.enter(universalTags.sequence);
  const etype = reader.integerField(0, -0x80000000, 0x7fffffff);
  if (reader.next === contextTag(1)) reader.integerField(1, 0, 0xffffffff);
  reader.enter(contextTag(2));
  const cipher = reader.content(universalTags.octetString);
  reader.finish();
  return { etype, cipher };
}

/**
 * The user data (a view) and the sequence number of a decrypted EncKrbPrivPart. Ciphers that fill
 * whole blocks leave zero bytes behind it; nothing else may follow. @throws decode.*
 */
export function openPrivPart(plain: Uint8Array): { userData: Uint8Array; sequenceNumber: number } {
  const reader = new DerReader(plain, 'EncKrbPrivPart');
  reader.enter(applicationTag(tags.encKrbPrivPart));
  reader.enter(universalTags.sequence);
  reader.enter(contextTag(0));
  const userData = reader.content(universalTags.octetString);
  reader.leave();
  // MIT sends neither of the next two in a KRB-PRIV, so these need not be fast.
  if (reader.next === contextTag(1)) decode(kerberosTime, reader.content(contextTag(1)));
  if (reader.next === contextTag(2)) decode(microseconds, reader.content(contextTag(2)));
  const sequenceNumber =
    reader.next === contextTag(3) ? reader.integerField(3, -0x80000000, 0xffffffff) >>> 0 : 0;
  skipAddress(reader, 4);
  if (reader.next === contextTag(5)) skipAddress(reader, 5);
  reader.finish(paddingLimitBytes);
  return { userData, sequenceNumber };
}

/** Reads over the HostAddress in the field of this number. Addresses are not compared. */
function skipAddress(reader: DerReader, number: number): void {
  reader.enter(contextTag(number));
  reader.enter(universalTags.sequence);
  reader.integerField(0, -0x80000000, 0x7fffffff);
  reader.enter(contextTag(1));
  reader.content(universalTags.octetString);
  for (let open = 0; open < 3; open += 1) reader.leave();
}

/** No cipher works in larger blocks. */
const paddingLimitBytes = 16;
const versionAndType = concat(integerField(0, 5), integerField(1, tags.priv));
const none = new Uint8Array(0);

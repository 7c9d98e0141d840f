import { textOf, utf8 } from '../../bytes.ts';
import {
  int32,
  kerberosTime,
  microseconds,
  octetString,
  stringBytes,
} from '../../der/primitives.ts';
import {
  application,
  type Decoded,
  decode,
  encode,
  field,
  optional,
  sequence,
} from '../../der/schema.ts';
import { applicationTag } from '../../der/tag.ts';
import { tags } from './numbers.ts';
import { kerberosString, nameOf, principalName, versionNumber } from './parts.ts';
import type { Principal } from './principal.ts';

/**
 * KRB-ERROR, RFC 4120 §5.9.1. The text is kept as bytes: MIT ends it with a NUL, and it may not be
 * UTF-8.
 */
export const krbError = application(
  tags.error,
  sequence('KRB-ERROR', {
    pvno: field(0, versionNumber),
    msgType: field(1, int32),
    ctime: optional(2, kerberosTime),
    cusec: optional(3, microseconds),
    stime: field(4, kerberosTime),
    susec: field(5, microseconds),
    errorCode: field(6, int32),
    crealm: optional(7, kerberosString),
    cname: optional(8, principalName),
    realm: field(9, kerberosString),
    sname: field(10, principalName),
    eText: optional(11, stringBytes),
    eData: optional(12, octetString),
  }),
);
export type KrbError = Decoded<typeof krbError>;

/** Whether a message is a KRB-ERROR, by its first byte. */
export function isKrbError(message: Uint8Array): boolean {
  return message[0] === applicationTag(tags.error);
}

/** A KRB-ERROR in words. */
export interface ErrorNotice {
  /** error-code, 0 to 127 from well-behaved peers. */
  readonly number: number;
  readonly text: string;
}

/** What a KRB-ERROR says, without MIT's final NUL. @throws decode.*, message.bad-version */
export function readKrbError(message: Uint8Array): ErrorNotice & { readonly message: KrbError } {
  const error = decode(krbError, message);
  return { number: error.errorCode, text: printable(textOf(error.eText ?? empty)), message: error };
}

/**
 * A KRB-ERROR about a failure. `from` is the side that sends it: kpropd fills in stime; kprop fills
 * in ctime and leaves stime, which is not optional, at 1970, as MIT does. The text ends in a NUL, as
 * MIT's readers expect.
 */
export function makeKrbError(o: {
  readonly from: 'client' | 'server';
  readonly nowMicros: number;
  readonly number: number;
  readonly text: string;
  readonly server: Principal;
  readonly client?: Principal | undefined;
}): Uint8Array {
  const seconds = Math.floor(o.nowMicros / 1_000_000);
  const micros = o.nowMicros % 1_000_000;
  return encode(krbError, {
    pvno: 5,
    msgType: tags.error,
    ...(o.from === 'client' ? { ctime: seconds, cusec: micros } : {}),
    stime: o.from === 'server' ? seconds : 0,
    susec: o.from === 'server' ? micros : 0,
    errorCode: o.number,
    ...(o.client && { crealm: o.client.realm, cname: nameOf(o.client) }),
    realm: o.server.realm,
    sname: nameOf(o.server),
    eText: utf8(`${o.text}\0`),
  });
}

/** A peer's text as one line without control characters: it goes to terminals and logs. */
function printable(text: string): string {
  return text
    .replace(/\0+$/, '')
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 2048);
}

const empty = new Uint8Array(0);

import fc from 'fast-check';

import type { WithRaw } from '../../../src/protocol/der/primitives.ts';
import { type Codec, encode } from '../../../src/protocol/der/schema.ts';
import { nameText } from '../../../src/protocol/krb5/messages/principal.ts';
import { safeBody } from '../../../src/protocol/krb5/messages/safe.ts';
import { ticket } from '../../../src/protocol/krb5/messages/ticket.ts';

export const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
export const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const microseconds = fc.integer({ min: 0, max: 999_999 });
/** Years 0 to 9999: what 14 digits can say. */
const time = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 });
export const someBytes = fc.uint8Array({ maxLength: 40 });
/** A realm or part of a name: any bytes, most of them UTF-8. */
export const name = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }).map((text) => nameText(Buffer.from(text))),
  fc.uint8Array({ maxLength: 20 }).map(nameText),
);

const list = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 4 });
/** Fields that are there, and others that may be. */
const fields = <R extends object, O extends object>(
  required: { [K in keyof R]: fc.Arbitrary<R[K]> },
  optional: { [K in keyof O]: fc.Arbitrary<O[K]> },
) =>
  fc
    .tuple(fc.record(required), fc.record(optional, { requiredKeys: [] }))
    .map(([there, maybe]) => ({ ...there, ...maybe }));
const withRaw = <T>(codec: Codec<T>, value: fc.Arbitrary<T>): fc.Arbitrary<WithRaw<T>> =>
  value.map((one) => ({ raw: encode(codec, one), value: one }));

const principalName = fc.record({ nameType: int32, nameString: list(name) });
const encryptedData = fields({ etype: int32, cipher: someBytes }, { kvno: uint32 });
const encryptionKey = fc.record({ keytype: int32, keyvalue: someBytes });
const checksum = fc.record({ cksumtype: int32, checksum: someBytes });
const hostAddress = fc.record({ addrType: int32, address: someBytes });
const authorizationData = list(fc.record({ adType: int32, adData: someBytes }));
const paData = list(fc.record({ padataType: int32, padataValue: someBytes }));
const version = fc.constant(5);
const kind = { pvno: version, msgType: int32 };
const privOrSafe = {
  required: { userData: someBytes, sAddress: hostAddress },
  optional: { timestamp: time, usec: microseconds, seqNumber: uint32, rAddress: hostAddress },
};
const ticketValue = fc.record({
  tktVno: version,
  realm: name,
  sname: principalName,
  encPart: encryptedData,
});
const safeBodyValue = fields(privOrSafe.required, privOrSafe.optional);
const salted = (optional: { [field: string]: fc.Arbitrary<Uint8Array> }) =>
  list(fields({ etype: int32 }, optional));

/** Any value of each message that a schema describes, by the name of its codec. */
export const arbitraryMessages: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  asReq: fields(
    {
      ...kind,
      reqBody: fields(
        { kdcOptions: uint32, realm: name, till: time, nonce: uint32, etype: list(int32) },
        {
          cname: principalName,
          sname: principalName,
          from: time,
          rtime: time,
          addresses: list(hostAddress),
          encAuthorizationData: encryptedData,
          additionalTickets: list(ticketValue),
        },
      ),
    },
    { padata: paData },
  ),
  asRep: fields(
    {
      ...kind,
      crealm: name,
      cname: principalName,
      ticket: withRaw(ticket, ticketValue),
      encPart: encryptedData,
    },
    { padata: paData },
  ),
  encAsRepPart: fields(
    {
      key: encryptionKey,
      lastReq: list(fc.record({ lrType: int32, lrValue: time })),
      nonce: uint32,
      flags: uint32,
      authtime: time,
      endtime: time,
      srealm: name,
      sname: principalName,
    },
    {
      keyExpiration: time,
      starttime: time,
      renewTill: time,
      caddr: list(hostAddress),
      encryptedPaData: paData,
    },
  ),
  paEncTsEnc: fields({ patimestamp: time }, { pausec: microseconds }),
  etypeInfo: salted({ salt: someBytes }),
  etypeInfo2: salted({ salt: someBytes, s2kparams: someBytes }),
  apReq: fc.record({
    ...kind,
    apOptions: uint32,
    ticket: withRaw(ticket, ticketValue),
    authenticator: encryptedData,
  }),
  authenticator: fields(
    {
      authenticatorVno: version,
      crealm: name,
      cname: principalName,
      cusec: microseconds,
      ctime: time,
    },
    { cksum: checksum, subkey: encryptionKey, seqNumber: uint32, authorizationData },
  ),
  apRep: fc.record({ ...kind, encPart: encryptedData }),
  encApRepPart: fields(
    { ctime: time, cusec: microseconds },
    { subkey: encryptionKey, seqNumber: uint32 },
  ),
  ticket: ticketValue,
  encTicketPart: fields(
    {
      flags: uint32,
      key: encryptionKey,
      crealm: name,
      cname: principalName,
      transited: fc.record({ trType: int32, contents: someBytes }),
      authtime: time,
      endtime: time,
    },
    { starttime: time, renewTill: time, caddr: list(hostAddress), authorizationData },
  ),
  krbSafe: fc.record({ ...kind, safeBody: withRaw(safeBody, safeBodyValue), cksum: checksum }),
  safeBody: safeBodyValue,
  krbPriv: fc.record({ ...kind, encPart: encryptedData }),
  encKrbPrivPart: fields(privOrSafe.required, privOrSafe.optional),
  krbError: fields(
    {
      ...kind,
      stime: time,
      susec: microseconds,
      errorCode: int32,
      realm: name,
      sname: principalName,
    },
    {
      ctime: time,
      cusec: microseconds,
      crealm: name,
      cname: principalName,
      eText: someBytes,
      eData: someBytes,
    },
  ),
  methodData: paData,
  encryptedData,
  checksum,
};

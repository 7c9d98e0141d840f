import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import { encAsRepPart } from '../../../../src/protocol/krb5/messages/as.ts';
import {
  isKrbError,
  krbError,
  makeKrbError,
  readKrbError,
} from '../../../../src/protocol/krb5/messages/error.ts';
import { kerberosString } from '../../../../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../../../../src/protocol/krb5/messages/principal.ts';
import { fromHex, toHex } from '../../../support/wire/transcripts.ts';
import { codecs } from './codecs.ts';

const name = { nameType: 3, nameString: ['host', 'vm'] };
const realm = 'EXAMPLE.ORG';
const time = 1_795_355_239;
const bytes = Uint8Array.of(1, 2, 3);
const key = { keytype: 18, keyvalue: bytes };
const address = { addrType: 24, address: new Uint8Array(16).fill(9) };
const encrypted = { etype: -133, kvno: 4_294_967_295, cipher: bytes };
const ticket = { tktVno: 5, realm, sname: name, encPart: encrypted };
const rawTicket = { raw: encode(codecs.ticket!, ticket), value: ticket };
const authorizationData = [{ adType: -1, adData: bytes }];

/** Each message with all of its fields; the recordings hold none of the rarer ones. */
const full: Readonly<Record<string, unknown>> = {
  asReq: {
    pvno: 5,
    msgType: 10,
    padata: [{ padataType: 2, padataValue: bytes }],
    reqBody: {
      kdcOptions: 0x80000010,
      cname: name,
      realm,
      sname: name,
      from: time,
      till: time + 1,
      rtime: time + 2,
      nonce: 2 ** 32 - 1,
      etype: [18, -133],
      addresses: [address],
      encAuthorizationData: encrypted,
      additionalTickets: [ticket, ticket],
    },
  },
  asRep: {
    pvno: 5,
    msgType: 11,
    padata: [],
    crealm: realm,
    cname: name,
    ticket: rawTicket,
    encPart: encrypted,
  },
  encAsRepPart: {
    key,
    lastReq: [],
    nonce: 2 ** 31,
    keyExpiration: time,
    flags: 0x00410000,
    authtime: time,
    starttime: time,
    endtime: time,
    renewTill: time,
    srealm: realm,
    sname: name,
    caddr: [address],
    encryptedPaData: [{ padataType: 149, padataValue: bytes }],
  },
  encTicketPart: {
    flags: 0xffffffff,
    key,
    crealm: realm,
    cname: name,
    transited: { trType: 1, contents: bytes },
    authtime: time,
    starttime: time,
    endtime: time,
    renewTill: time,
    caddr: [address, address],
    authorizationData,
  },
  authenticator: {
    authenticatorVno: 5,
    crealm: realm,
    cname: name,
    cksum: { cksumtype: 0x8003, checksum: bytes },
    cusec: 999_999,
    ctime: time,
    subkey: key,
    seqNumber: 2 ** 32 - 1,
    authorizationData,
  },
  encApRepPart: { ctime: time, cusec: 0, subkey: key, seqNumber: 2 ** 31 },
  safeBody: {
    userData: bytes,
    timestamp: time,
    usec: 1,
    seqNumber: 128,
    sAddress: address,
    rAddress: address,
  },
  krbError: {
    pvno: 5,
    msgType: 30,
    ctime: time,
    cusec: 5,
    stime: time,
    susec: 6,
    errorCode: 127,
    crealm: realm,
    cname: name,
    realm,
    sname: name,
    eText: bytes,
    eData: bytes,
  },
  etypeInfo2: [{ etype: 20, salt: bytes, s2kparams: bytes }, { etype: 23 }],
  paEncTsEnc: { patimestamp: time },
};

describe.each(Object.entries(full))('%s with every field', (codecName, value) => {
  const codec = codecs[codecName]!;

  test('comes back as it went', () => {
    const bytes = encode(codec, value);
    expect(decode(codec, bytes)).toEqual(value);
    expect(toHex(encode(codec, decode(codec, bytes)))).toBe(toHex(bytes));
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => decode(codec, bytes.subarray(0, end))).toThrow(KpropError);
    }
  });

  test('goes without those that are optional, and tells which is not', () => {
    if (Array.isArray(value)) return;
    for (const field of Object.keys(value as object)) {
      const without = { ...(value as object), [field]: undefined };
      const bytes = encode(codec, without);
      try {
        expect((decode(codec, bytes) as Record<string, unknown>)[field]).toBeUndefined();
      } catch (error) {
        const detail = { what: expect.stringMatching(new RegExp(`\\.${field}$`)) };
        expect(error).toMatchObject({ code: 'decode.missing-field', detail });
      }
    }
  });
});

test("EncASRepPart is read under both its tags, and written as MIT's KDC writes it", () => {
  const value = full.encAsRepPart as never;
  const bytes = encode(encAsRepPart, value);
  expect(bytes[0]).toBe(0x7a);
  expect(decode(encAsRepPart, Uint8Array.of(0x79, ...bytes.subarray(1)))).toEqual(value);
  expect(() => decode(encAsRepPart, Uint8Array.of(0x7b, ...bytes.subarray(1)))).toThrow(KpropError);
});

test('names that are not UTF-8 come and go unchanged', () => {
  const latin1 = fromHex('1b064d6dfc6c6c21'); // "Mmüll!" in Latin-1
  expect(toHex(encode(kerberosString, decode(kerberosString, latin1)))).toBe(toHex(latin1));
});

describe('a KRB-ERROR', () => {
  const server = Principal.parse('host/replica.example@EXAMPLE.ORG');
  const client = Principal.parse('host/primary.example@EXAMPLE.ORG');
  const common = { nowMicros: time * 1e6 + 42, number: 60, text: 'it rains', server };

  test("of the replica has its own time, and 0 for the client's", () => {
    const { message, number, text } = readKrbError(makeKrbError({ ...common, from: 'server' }));
    expect({ number, text }).toEqual({ number: 60, text: 'it rains' });
    expect(message).toMatchObject({ stime: time, susec: 42, realm, sname: { nameType: 1 } });
    expect([message.ctime, message.cusec, message.crealm, message.cname]).toEqual(
      Array(4).fill(undefined),
    );
    expect(Buffer.from(message.eText!).toString()).toBe('it rains\0');
  });

  test('of the primary tells its time as ctime, and 1970 as stime', () => {
    const { message } = readKrbError(makeKrbError({ ...common, from: 'client', client }));
    expect(message).toMatchObject({ ctime: time, cusec: 42, stime: 0, susec: 0, crealm: realm });
    expect(message.cname?.nameString).toEqual(client.components);
  });

  test.each([
    ['with its NUL', 'Clock skew too great\0', 'Clock skew too great'],
    ['without one', 'Clock skew too great', 'Clock skew too great'],
    ['with several', 'x\0\0\0', 'x'],
    [
      'with what a terminal would obey',
      '\u001b[2Jgone\r\nkpropd: fine\u009b',
      ' [2Jgone kpropd: fine ',
    ],
    ['that is not UTF-8', Buffer.from([0x66, 0xfc, 0x72]), 'f\ufffdr'],
    ['without end', 'x'.repeat(5000), 'x'.repeat(2048)],
    ['without beginning', '', ''],
  ])('text %s is printed on one line', (_title, text, printed) => {
    const { message } = readKrbError(makeKrbError({ ...common, from: 'server' }));
    const bytes = encode(krbError, { ...message, eText: new Uint8Array(Buffer.from(text)) });
    expect(readKrbError(bytes).text).toBe(printed);
  });

  test('without text has none; of another version is refused', () => {
    const { message } = readKrbError(makeKrbError({ ...common, from: 'server' }));
    expect(readKrbError(encode(krbError, { ...message, eText: undefined })).text).toBe('');
    expect(() => readKrbError(encode(krbError, { ...message, pvno: 4 }))).toThrow(
      new KpropError('message.bad-version', { what: 'KRB-ERROR.pvno', version: 4 }),
    );
  });

  test('is known by its first byte', () => {
    expect(isKrbError(makeKrbError({ ...common, from: 'server' }))).toBe(true);
    expect(isKrbError(concat(fromHex('74'), bytes))).toBe(false);
    expect(isKrbError(new Uint8Array(0))).toBe(false);
  });
});

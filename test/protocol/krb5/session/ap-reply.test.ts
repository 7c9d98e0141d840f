import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../../src/errors/kprop-error.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import { apRep, encApRepPart } from '../../../../src/protocol/krb5/messages/ap.ts';
import { Principal } from '../../../../src/protocol/krb5/messages/principal.ts';
import {
  acceptApRep,
  acceptApReq,
  keyOf,
  makeApRep,
} from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import { openPart, sealPart } from '../../../../src/protocol/krb5/session/enc-part.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { fixedAmbient, seededAmbient } from '../../../support/wire/fixed-ambient.ts';
import {
  acceptor,
  forgeApReq,
  forgeCredential,
  kpropApReq,
  nowMicros,
  nowSeconds,
  primaryName,
  replicaName,
  someKey,
} from '../../../support/wire/forge.ts';
import { uint32Bytes } from '../../../support/wire/transcripts.ts';

const ambient = seededAmbient(nowMicros, 8);

describe.each(enctypes)('with enctype %i', (enctype) => {
  const credential = forgeCredential({ enctype });

  test('what the initiator makes, the acceptor takes, and the other way round', async () => {
    const sent = kpropApReq(credential, ambient);
    const accepted = await acceptApReq(sent.message, acceptor());
    expect(accepted).toMatchObject({
      ticketEnctype: enctype,
      sequence: sent.sequence,
    });
    expect(accepted.client.equals(primaryName)).toBe(true);
    const { message, sequence, key } = makeApRep(accepted, { ambient });
    const believed = acceptApRep(message, sent, credential.sessionKey);
    expect(believed.sequence).toBe(sequence);
    expect(believed.subkey?.bytes).toEqual(key.bytes);
    expect(believed.subkey?.profile.number).toBe(enctype);
    expect(key.bytes).not.toEqual(credential.sessionKey.bytes);
    expect(makeApRep(accepted, { ambient }).key.bytes).not.toEqual(key.bytes);
  });

  test('as MIT makes it, the AP-REP brings no key of the acceptor', async () => {
    const sent = kpropApReq(credential, ambient);
    const accepted = await acceptApReq(sent.message, acceptor());
    const { message, sequence, key } = makeApRep(accepted, { ambient, subkey: 'as-client' });
    expect(key).toBe(accepted.sessionKey);
    expect(acceptApRep(message, sent, credential.sessionKey)).toEqual({
      sequence,
      subkey: undefined,
    });
  });

  test("the client's subkey is the message key; MIT's AP-REP repeats it under the session key", async () => {
    const subkey = { keytype: enctype, keyvalue: someKey(enctype, 77).bytes };
    const fields = { subkey, ctime: nowSeconds, cusec: 5, seqNumber: 0x80000001 };
    const accepted = await acceptApReq(forgeApReq(credential, fields), acceptor());
    expect(accepted.messageKey.bytes).toEqual(subkey.keyvalue);
    expect(accepted.sessionKey.bytes).toEqual(credential.sessionKey.bytes);
    expect(accepted.sequence).toBe(0x80000001);
    const reply = makeApRep(accepted, { ambient, subkey: 'as-client' });
    const { encPart } = decode(apRep, reply.message);
    const part = openPart(encApRepPart, encPart, credential.sessionKey, 12);
    expect(part.subkey && keyOf(part.subkey).bytes).toEqual(subkey.keyvalue);
    const sent = { message: new Uint8Array(0), ctime: nowSeconds, cusec: 5, sequence: 0 };
    const believed = acceptApRep(reply.message, sent, credential.sessionKey);
    expect(believed.subkey?.bytes).toEqual(subkey.keyvalue);
  });
});

describe('an AP-REP', () => {
  const { sessionKey } = forgeCredential();
  const sent = { message: new Uint8Array(0), ctime: nowSeconds, cusec: 77, sequence: 1 };
  const reply = (o: { ctime?: number; cusec?: number; key?: typeof sessionKey; type?: number }) => {
    const part = { ctime: o.ctime ?? nowSeconds, cusec: o.cusec ?? 77 };
    const encPart = sealPart(encApRepPart, part, o.key ?? sessionKey, 12, { ambient });
    return encode(apRep, { pvno: 5, msgType: o.type ?? 15, encPart });
  };

  test('without a sequence number begins at 0', () => {
    expect(acceptApRep(reply({}), sent, sessionKey).sequence).toBe(0);
  });

  test.each([
    ['another second', reply({ ctime: nowSeconds + 1 }), 'session.mutual-failed'],
    ['another microsecond', reply({ cusec: 78 }), 'session.mutual-failed'],
    ['another type', reply({ type: 14 }), 'session.mutual-failed'],
    ['another key', reply({ key: someKey(18, 6) }), 'crypto.integrity'],
    ['another enctype', reply({ key: someKey(17) }), 'crypto.integrity'],
    ['an AP-REQ', forgeApReq(forgeCredential()), 'decode.unexpected-tag'],
  ])('with %s is not believed', (_title, message, code) => {
    try {
      acceptApRep(message, sent, sessionKey);
      expect.unreachable();
    } catch (error) {
      expect(isKpropError(error) && error.code).toBe(code);
    }
  });
});

test.each([
  [0, 1],
  [0x40000000, 1],
  [0xffffffff, 0x3fffffff],
  [0xc0000005, 5],
])(
  'the initial sequence number of %i drawn is %i: never 0, never 2^30 or more',
  (drawn, sequence) => {
    const randoms = [uint32Bytes(drawn), new Uint8Array(16)];
    const sent = kpropApReq(forgeCredential(), fixedAmbient(nowMicros, randoms));
    expect(sent).toMatchObject({ sequence, ctime: nowSeconds, cusec: 516_321 });
  },
);

test('an absent sequence number is 0', async () => {
  const request = forgeApReq(forgeCredential());
  const accepted = await acceptApReq(request, acceptor());
  expect(accepted).toMatchObject({ sequence: 0 });
  expect(accepted.server).toEqual(replicaName);
  expect(accepted.client).toEqual(
    Principal.of(primaryName.realm, primaryName.components, primaryName.nameType),
  );
});

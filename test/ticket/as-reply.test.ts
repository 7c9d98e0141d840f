import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';
import { decode, encode } from '../../src/protocol/der/schema.ts';
import { Key } from '../../src/protocol/krb5/crypto/key.ts';
import { asRep, asReq, encAsRepPart, paEncTsEnc } from '../../src/protocol/krb5/messages/as.ts';
import { krbError, readKrbError } from '../../src/protocol/krb5/messages/error.ts';
import { encryptedData, methodData, principalOf } from '../../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { openPart } from '../../src/protocol/krb5/session/enc-part.ts';
import { openAsReply, type SentAsReq } from '../../src/ticket/as-reply.ts';
import { asReplyTo, kdcError, type ReplyFields } from '../support/kdc/scripted-kdc.ts';
import { nowSeconds, primaryName, replicaName, someKey } from '../support/wire/forge.ts';
import { fromHex, loadTranscript, transcriptNames } from '../support/wire/transcripts.ts';

/** What was sent, as it stands in the request itself. */
function sentOf(message: Uint8Array): SentAsReq {
  const { realm, cname, sname, etype, nonce, till, rtime } = decode(asReq, message).reqBody;
  return {
    message,
    client: principalOf(realm, cname!),
    server: principalOf(realm, sname!),
    etypes: etype,
    nonce,
    till,
    renewAsked: rtime !== undefined,
  };
}

describe.each(transcriptNames)('the AS exchange of MIT krb5, %s', (name) => {
  const { kdcExchanges, longTermKey, principal, enctype } = loadTranscript(name);
  const [first, second] = kdcExchanges as unknown as [
    (typeof kdcExchanges)[0],
    (typeof kdcExchanges)[0],
  ];

  test('every byte of it is written again', () => {
    for (const { request } of kdcExchanges) {
      expect(Buffer.from(encode(asReq, decode(asReq, request))).equals(request)).toBe(true);
    }
    expect(Buffer.from(encode(krbError, decode(krbError, first.reply))).equals(first.reply)).toBe(
      true,
    );
    expect(Buffer.from(encode(asRep, decode(asRep, second.reply))).equals(second.reply)).toBe(true);
    const { encPart } = decode(asRep, second.reply);
    const part = openPart(encAsRepPart, encPart, longTermKey, 3);
    expect(decode(encAsRepPart, encode(encAsRepPart, part))).toEqual(part);
  });

  test('the first answer asks for a timestamp, in METHOD-DATA', () => {
    const { number, text, message } = readKrbError(first.reply);
    expect({ number, text }).toEqual({ number: 25, text: 'NEEDED_PREAUTH' });
    const offers = decode(methodData, message.eData!);
    expect(Buffer.from(encode(methodData, offers)).equals(message.eData!)).toBe(true);
    expect(offers.map(({ padataType }) => padataType)).toEqual(
      expect.arrayContaining([136, 19, 2, 133]),
    );
  });

  test('the second request holds it: a time of the KDC under the long-term key', () => {
    const { padata = [] } = decode(asReq, second.request);
    expect(padata.map(({ padataType }) => padataType)).toEqual([133, 2, 150, 149]);
    const sealed = decode(encryptedData, padata[1]!.padataValue);
    const { patimestamp, pausec } = openPart(paEncTsEnc, sealed, longTermKey, 1);
    const { stime, susec } = readKrbError(first.reply).message;
    const aheadMicros = (patimestamp - stime) * 1e6 + (pausec ?? 0) - susec;
    expect(aheadMicros).toBeGreaterThanOrEqual(0);
    expect(aheadMicros).toBeLessThan(1e6);
  });

  test('the reply is believed: its proof covers the request', () => {
    const sent = sentOf(second.request);
    const { part, ticket } = openAsReply(second.reply, sent, () => longTermKey);
    expect(part.key.keytype).toBe(enctype);
    expect(part.flags & 0x00010000).not.toBe(0);
    expect(part.encryptedPaData?.map(({ padataType }) => padataType)).toContain(149);
    expect(Buffer.from(second.reply).includes(Buffer.from(ticket))).toBe(true);
    expect(principal.equals(sent.server)).toBe(true);
  });

  test('but not as the reply to the first request, which it does not cover', () => {
    const sent = { ...sentOf(second.request), message: first.request };
    expect(codeOf(() => openAsReply(second.reply, sent, () => longTermKey))).toBe('kdc.bad-reply');
  });

  test('and a bit flipped anywhere in its sealed part is noticed', () => {
    const { cipher } = decode(asRep, second.reply).encPart;
    const start = Buffer.from(second.reply).indexOf(cipher);
    for (let at = start; at < start + cipher.length; at += 7) {
      const reply = second.reply.with(at, (second.reply[at] as number) ^ (1 << (at % 8)));
      const open = () => openAsReply(reply, sentOf(second.request), () => longTermKey);
      expect(codeOf(open)).toBe('crypto.integrity');
    }
  });
});

test('the published packets: a reply without preauthentication', () => {
  const rows = JSON.parse(
    readFileSync(new URL('../vectors/messages-recorded.json', import.meta.url), 'utf8'),
  ) as { title: string; bytes: string; sealed?: { key: string; usage: number } }[];
  const bytesOf = (title: string) => fromHex(rows.find((row) => row.title === title)!.bytes);
  const key = Key.of(18, fromHex(rows.find(({ sealed }) => sealed?.usage === 3)!.sealed!.key));
  const sent = sentOf(bytesOf('AS-REQ without preauthentication'));
  expect(openAsReply(bytesOf('AS-REP to it'), sent, () => key).part.endtime).toBe(sent.till);
});

describe('a reply is believed only if it is what was asked for', () => {
  const body = {
    kdcOptions: 0x10,
    cname: { nameType: 3, nameString: primaryName.components },
    realm: primaryName.realm,
    sname: { nameType: 1, nameString: replicaName.components },
    till: nowSeconds + 86_400,
    nonce: 0x56072c46,
    etype: [18, 17],
  };
  const request = encode(asReq, { pvno: 5, msgType: 10, reqBody: body });
  const asked = { bytes: request, request: decode(asReq, request) };
  const other = Principal.parse('host/other.example@EXAMPLE.ORG');
  const foreign = replicaName.withRealm('OTHER.ORG');
  const renewable = 0x00c10000;
  const keyFor = (enctype: number) => someKey(enctype);
  const verdict = (fields: ReplyFields, sent: Partial<SentAsReq> = {}) =>
    codeOf(() => openAsReply(asReplyTo(asked, fields), { ...sentOf(request), ...sent }, keyFor));

  test.each<[string, ReplyFields, string]>([
    ['as it should be', {}, 'believed'],
    ['from a KDC that proves nothing', { proof: 'not promised' }, 'believed'],
    ['the proof missing', { proof: 'missing' }, 'kdc.bad-reply'],
    [
      'the proof missing with all padata',
      { part: { encryptedPaData: undefined } },
      'kdc.bad-reply',
    ],
    ['the proof of another request', { proof: 'of another request' }, 'kdc.bad-reply'],
    ['the proof of another type', { proof: 'of another type' }, 'kdc.bad-reply'],
    ['the proof damaged', { proof: 'damaged' }, 'kdc.bad-reply'],
    [
      'the proof no Checksum',
      {
        part: { encryptedPaData: [{ padataType: 149, padataValue: fromHex('00') }] },
      },
      'decode.truncated',
    ],
    ['another nonce', { part: { nonce: 1 } }, 'kdc.bad-reply'],
    [
      'another service',
      { part: { sname: { nameType: 1, nameString: ['host', 'x'] } } },
      'kdc.bad-reply',
    ],
    [
      'the service under another name type',
      {
        part: { sname: { nameType: 3, nameString: replicaName.components } },
      },
      'believed',
    ],
    ['the service of another realm', { part: { srealm: 'OTHER.ORG' } }, 'kdc.bad-reply'],
    ['a ticket for another service', { ticketServer: other }, 'kdc.bad-reply'],
    ['a ticket for another realm', { ticketServer: foreign }, 'kdc.bad-reply'],
    ['another client', { client: other }, 'kdc.bad-reply'],
    ['a client of another realm', { client: primaryName.withRealm('OTHER.ORG') }, 'kdc.bad-reply'],
    ['a longer life than asked for', { part: { endtime: body.till + 1 } }, 'kdc.bad-reply'],
    ['a shorter life than asked for', { part: { endtime: body.till - 1 } }, 'believed'],
    [
      'renewable until the end asked for',
      {
        part: { flags: renewable, renewTill: body.till },
      },
      'believed',
    ],
    [
      'renewable for longer',
      { part: { flags: renewable, renewTill: body.till + 1 } },
      'kdc.bad-reply',
    ],
    ['another enctype that was asked for', { replyKey: someKey(17) }, 'believed'],
    ['an enctype that was not asked for', { replyKey: someKey(20) }, 'kdc.enctype'],
    ['another key', { replyKey: someKey(18, 4) }, 'crypto.integrity'],
    ['version 4', { pvno: 4 }, 'message.bad-version'],
    ['the type of a TGS-REP', { msgType: 13 }, 'message.unexpected'],
  ])('%s', (_title, fields, outcome) => {
    expect(verdict(fields)).toBe(outcome);
  });

  test('renewable for any time, if that was asked for', () => {
    const part = { flags: renewable, renewTill: body.till + 1_000_000 };
    expect(verdict({ part }, { renewAsked: true })).toBe('believed');
  });

  test.each([
    ['a KRB-ERROR', kdcError({ number: 6 })],
    ['a version 4 error', fromHex('040a0000')],
    ['nothing', new Uint8Array(0)],
    ['the request itself', request],
  ])('%s is no reply', (_title, message) => {
    const open = () => openAsReply(message, sentOf(request), keyFor);
    expect(codeOf(open)).toBe('message.unexpected');
  });
});

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'believed';
  } catch (error) {
    if (error instanceof KpropError) return error.code;
    throw error;
  }
}

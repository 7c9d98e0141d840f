import { afterEach, describe, expect, test } from 'vitest';

import { decode, encode } from '../../src/protocol/der/schema.ts';
import { Keytab } from '../../src/protocol/krb5/formats/keytab.ts';
import { etypeInfo, etypeInfo2, paEncTsEnc } from '../../src/protocol/krb5/messages/as.ts';
import { encryptedData } from '../../src/protocol/krb5/messages/parts.ts';
import { openPart } from '../../src/protocol/krb5/session/enc-part.ts';
import {
  type Asked,
  asReplyTo,
  closeKdcs,
  kdcError,
  preauthRequired,
  type Script,
} from '../support/kdc/scripted-kdc.ts';
import {
  entry,
  keytabOf,
  nowMicros,
  nowSeconds,
  primaryName,
  someKey,
} from '../support/wire/forge.ts';
import {
  type Asking,
  ask,
  cookie,
  demands,
  fast,
  gives,
  hint,
  none,
  offers,
  says,
  timestamp,
  types,
} from '../support/wire/ticket-request.ts';

afterEach(closeKdcs);

describe('the requests', () => {
  test('a KDC that asks for nothing gives the ticket at once', async () => {
    const { result, asked } = await ask([gives]);
    expect(result).toMatchObject({
      status: 'fulfilled',
      value: { startTime: nowSeconds, endTime: nowSeconds + 86_400, clockOffsetMicros: 0 },
    });
    expect(asked).toHaveLength(1);
    expect(types(asked[0]!)).toEqual([150, 149]);
    expect(asked[0]!.request).toMatchObject({
      pvno: 5,
      msgType: 10,
      reqBody: {
        kdcOptions: 0x10,
        realm: 'EXAMPLE.ORG',
        cname: { nameType: 3, nameString: ['host', 'primary.example'] },
        sname: { nameString: ['host', 'replica.example'] },
        till: nowSeconds + 86_400,
        etype: [18, 17, 20, 19, 25, 26],
      },
    });
    expect(asked[0]!.request.reqBody.rtime).toBeUndefined();
  });

  test('a timestamp is sealed when it is asked for, behind the cookie', async () => {
    const { result, asked } = await ask([demands, gives]);
    expect(result.status).toBe('fulfilled');
    const [first, second] = asked as [Asked, Asked];
    expect(types(second)).toEqual([133, 2, 150, 149]);
    expect(second.request.padata?.[0]?.padataValue).toEqual(cookie.padataValue);
    const sealed = decode(encryptedData, second.request.padata![1]!.padataValue);
    expect(sealed.kvno).toBeUndefined();
    expect(openPart(paEncTsEnc, sealed, someKey(18), 1)).toEqual({
      patimestamp: nowSeconds,
      pausec: 7,
    });
    expect(second.request.reqBody.nonce).not.toBe(first.request.reqBody.nonce);
  });

  test('nonces have 31 bits', async () => {
    const ambient = {
      nowMicros: () => nowMicros,
      random: (n: number) => new Uint8Array(n).fill(255),
    };
    const { asked } = await ask([gives], { ambient });
    expect(asked[0]!.request.reqBody.nonce).toBe(0x7fffffff);
  });

  test.each([
    ['an ETYPE-INFO2 that names the second', hint(17), 17],
    ["one that names both, the KDC's favourite first", hint(17, 18), 18],
    [
      'an ETYPE-INFO of old',
      { padataType: 11, padataValue: encode(etypeInfo, [{ etype: 17 }]) },
      17,
    ],
    ['no hint at all', fast, 18],
  ])('%s: the key of the timestamp', async (_title, offer, etype) => {
    const { asked } = await ask([() => preauthRequired([offer, timestamp]), says(6)]);
    expect(decode(encryptedData, asked[1]!.request.padata![0]!.padataValue).etype).toBe(etype);
  });

  test('enctypes whose key the keytab holds come first', async () => {
    const { asked } = await ask([says(6)], { keytab: keytabOf(entry(primaryName, someKey(19))) });
    expect(asked[0]!.request.reqBody.etype).toEqual([19, 18, 17, 20, 25, 26]);
  });

  test('renewable, forwardable, proxiable and a lifetime as configured', async () => {
    const libdefaults = ['renew_lifetime = 7d', 'forwardable = true', 'proxiable = true'];
    const { asked } = await ask([says(6)], {
      libdefaults: [...libdefaults, 'ticket_lifetime = 1h'],
    });
    const { kdcOptions, till, rtime } = asked[0]!.request.reqBody;
    expect(kdcOptions).toBe(0x50800000);
    expect([till, rtime]).toEqual([nowSeconds + 3600, nowSeconds + 7 * 86_400]);
  });
});

describe('what the KDC may answer', () => {
  const failure = async (script: Script, o: Asking = {}) => {
    const { result, asked } = await ask(script, o);
    return { requests: asked.length, reason: (result as PromiseRejectedResult).reason as unknown };
  };

  test.each([
    [6, 'Client not found in Kerberos database'],
    [18, 'credentials have been revoked'],
    [37, 'Clock skew too great'],
  ])('error %i is final', async (number, text) => {
    const { requests, reason } = await failure([says(number)]);
    expect(reason).toMatchObject({ code: 'kdc.error', detail: { number } });
    expect(String(reason)).toContain(text);
    expect(requests).toBe(1);
  });

  test('24 before any preauthentication: once more without 150 and 149, for old KDCs', async () => {
    const { result, asked } = await ask([says(24), gives], {});
    expect(result.status).toBe('fulfilled');
    expect(asked.map(types)).toEqual([[150, 149], undefined]);
    const old = await ask([says(24), demands, gives]);
    expect(old.result.status).toBe('fulfilled');
    expect(types(old.asked[2]!)).toEqual([133, 2]);
  });

  test('24 twice, and 24 after the timestamp, are final', async () => {
    expect(await failure([says(24)])).toMatchObject({
      requests: 2,
      reason: { detail: { number: 24 } },
    });
    const wrongKey = await failure([demands, says(24)]);
    expect(wrongKey).toMatchObject({ requests: 2, reason: { detail: { number: 24 } } });
  });

  test('52: once more by TCP', async () => {
    const { result, asked } = await ask([says(52), gives]);
    expect(result.status).toBe('fulfilled');
    expect(asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
  });

  test('52 in the midst: TCP for what is left, the timestamp kept', async () => {
    const { asked } = await ask([demands, says(52), gives]);
    expect(asked.map(({ transport }) => transport)).toEqual(['udp', 'udp', 'tcp']);
    expect(types(asked[2]!)).toEqual([133, 2, 150, 149]);
  });

  test.each([
    ['the same demand for ever', [demands]],
    ['52 for ever', [says(52)]],
    ['demands and 52 in turn', [demands, says(52), demands, says(52)]],
    ['24, a demand, 24', [says(24), demands, says(24)]],
  ])('%s comes to an end', async (_title, script) => {
    const { requests, reason } = await failure(script);
    expect(requests).toBeLessThanOrEqual(16);
    expect(reason).toMatchObject({ code: 'kdc.error' });
  });

  test('a demand without an encrypted timestamp among the offers', async () => {
    const { requests, reason } = await failure([() => preauthRequired([fast, cookie, hint(18)])]);
    expect(reason).toMatchObject({ code: 'kdc.error', detail: { number: 25 } });
    expect(requests).toBe(1);
    expect((await failure([says(25)])).reason).toMatchObject({ detail: { number: 25 } });
  });

  test('a demand for an enctype that was not asked for', async () => {
    const { reason } = await failure([() => preauthRequired([hint(1, 3), timestamp])]);
    expect(reason).toMatchObject({ code: 'kdc.enctype', detail: { enctype: 1 } });
  });

  test.each([
    ['offers that are not DER', Uint8Array.of(1, 2, 3)],
    ['offers that are something else', encode(etypeInfo2, [{ etype: 18 }])],
  ])('%s', async (_title, eData) => {
    const { reason } = await failure([() => kdcError({ number: 25, eData })]);
    expect(reason).toMatchObject({ code: expect.stringMatching(/^decode\./) });
  });

  test('a reply to another request', async () => {
    const { reason } = await failure([(asked) => asReplyTo(asked, { part: { nonce: 1 } })]);
    expect(reason).toMatchObject({ code: 'kdc.bad-reply' });
  });

  test('a reply under a key that we do not hold', async () => {
    const { reason } = await failure([(asked) => asReplyTo(asked, { replyKey: someKey(18, 3) })]);
    expect(reason).toMatchObject({ code: 'crypto.integrity', wireNumber: 31 });
    const { reason: other } = await failure([
      (asked) => asReplyTo(asked, { replyKey: someKey(20) }),
    ]);
    expect(other).toMatchObject({ code: 'keytab.no-key' });
  });

  test('a keytab without a permitted key of ours: the KDC is not even asked', async () => {
    const empty = await failure([gives], { keytab: new Keytab('FILE:empty', []) });
    expect(empty).toMatchObject({ requests: 0, reason: { code: 'keytab.no-key' } });
    const weak = await failure([gives], { keytab: keytabOf(entry(primaryName, someKey(23))) });
    expect(weak).toMatchObject({ requests: 0, reason: { code: 'keytab.no-key' } });
  });

  test('nothing, until the caller has enough', async () => {
    const control = new AbortController();
    const silent = () => {
      control.abort(new Error('enough'));
      return none;
    };
    const { reason } = await failure([silent], { signal: control.signal });
    expect(reason).toMatchObject({ code: 'aborted' });
  });
});

describe('what anybody may send in place of the KDC', () => {
  test.each<readonly [string, Uint8Array]>([
    ['garbage', new Uint8Array(50).fill(0x5a)],
    ['nothing', new Uint8Array(0)],
    ['the tag of an AS-REP alone', Uint8Array.of(0x6b)],
    ['half a KRB-ERROR', kdcError({ number: 6 }).subarray(0, 40)],
    ['a KRB-ERROR and more', Buffer.concat([kdcError({ number: 6 }), Buffer.alloc(9)])],
  ])('%s ahead of each answer is passed over', async (_title, ahead) => {
    const { result, asked } = await ask([demands, gives], { ahead });
    expect(result).toMatchObject({ status: 'fulfilled', value: { startTime: nowSeconds } });
    expect(asked).toHaveLength(2);
  });

  /** By how many seconds the timestamp that is sealed next is off our clock. */
  const believed = async (offsetSeconds: number) => {
    const stime = nowSeconds + offsetSeconds;
    const { asked } = await ask([() => preauthRequired(offers, { stime }), gives]);
    const padata = asked[1]?.request.padata ?? [];
    const sealed = padata.find(({ padataType }) => padataType === 2)?.padataValue as Uint8Array;
    const stamp = openPart(paEncTsEnc, decode(encryptedData, sealed), someKey(18), 1);
    return stamp.patimestamp - nowSeconds;
  };

  test.each([0, 3_600, -3_600, 86_000, -86_000])(
    'a clock that is %i seconds off is taken over for the next request',
    async (seconds) => {
      expect(Math.abs((await believed(seconds)) - seconds)).toBeLessThanOrEqual(1);
    },
  );

  test.each([86_402, -86_402, 10 * 365 * 86_400])(
    'a clock that is %i seconds off is not believed: ours stays',
    async (seconds) => {
      expect(await believed(seconds)).toBe(0);
    },
  );

  test('only the encrypted part of the reply counts', async () => {
    const stime = nowSeconds + 80_000;
    const { result } = await ask([() => preauthRequired(offers, { stime }), gives]);
    expect(result).toMatchObject({ status: 'fulfilled', value: { clockOffsetMicros: 0 } });
  });
});

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { decode } from '../../../../src/protocol/der/schema.ts';
import { apReq } from '../../../../src/protocol/krb5/messages/ap.ts';
import {
  type AcceptorOptions,
  acceptApReq,
} from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import {
  acceptor,
  forgeApReq,
  forgeCredential,
  nowSeconds,
  primaryName,
  type RequestFields,
  someKey,
  type TicketFields,
} from '../../../support/wire/forge.ts';

const skew = 300;
const mallory = { nameType: 1, nameString: ['host', 'mallory.example'] };

async function outcomeOf(
  ticketFields: TicketFields,
  requestFields: RequestFields = {},
  options: Partial<AcceptorOptions> = {},
): Promise<string> {
  const request = forgeApReq(forgeCredential(ticketFields), requestFields);
  try {
    await acceptApReq(request, acceptor(options));
    return 'accepted';
  } catch (error) {
    if (error instanceof KpropError) return `${error.code} ${error.wireNumber}`;
    throw error;
  }
}

describe('an AP-REQ is accepted or refused with the number that MIT gives', () => {
  const rows: [string, TicketFields, RequestFields, string][] = [
    ['as kprop sends it', {}, {}, 'accepted'],
    ['of version 4', {}, { pvno: 4 }, 'message.bad-version 3'],
    ['with an authenticator of version 4', {}, { authenticatorVno: 4 }, 'message.bad-version 3'],
    ['of another message type', {}, { msgType: 12 }, 'message.unexpected 40'],
    [
      'an authenticator under another key',
      {},
      { sealedWith: someKey(18, 5) },
      'crypto.integrity 31',
    ],
    ['an authenticator of another enctype', {}, { sealedWith: someKey(17) }, 'crypto.integrity 31'],
    ['an authenticator of another client', {}, { cname: mallory }, 'auth.mismatch 36'],
    ['an authenticator of another realm', {}, { crealm: 'OTHER.ORG' }, 'auth.mismatch 36'],
    [
      'an authenticator with another name type',
      {},
      {
        cname: { nameType: 1, nameString: primaryName.components },
      },
      'accepted',
    ],
    [
      'addresses in the ticket are not compared',
      {
        caddr: [{ addrType: 2, address: Uint8Array.of(192, 0, 2, 1) }],
      },
      {},
      'accepted',
    ],
    [
      'realms transited, unchecked',
      { transited: { trType: 1, contents: Uint8Array.of(65) } },
      {},
      'auth.transited 43',
    ],
    [
      'realms transited, checked by the KDC',
      {
        flags: 0x00480000,
        transited: { trType: 1, contents: Uint8Array.of(65) },
      },
      {},
      'accepted',
    ],
    ['starts just within the skew', { starttime: nowSeconds + skew }, {}, 'accepted'],
    [
      'starts just past the skew',
      { starttime: nowSeconds + skew + 1 },
      {},
      'auth.not-yet-valid 33',
    ],
    [
      'issued past the skew, no start time',
      { authtime: nowSeconds + skew + 1 },
      {},
      'auth.not-yet-valid 33',
    ],
    [
      'issued past the skew, started before',
      {
        authtime: nowSeconds + skew + 1,
        starttime: nowSeconds,
      },
      {},
      'accepted',
    ],
    ['ended just within the skew', { endtime: nowSeconds - skew }, {}, 'accepted'],
    ['ended just past the skew', { endtime: nowSeconds - skew - 1 }, {}, 'auth.expired 32'],
    ['a clock ahead by the skew', {}, { ctime: nowSeconds + skew, cusec: 999_999 }, 'accepted'],
    ['a clock behind by the skew', {}, { ctime: nowSeconds - skew }, 'accepted'],
    ['a clock ahead by a second more', {}, { ctime: nowSeconds + skew + 1 }, 'auth.clock-skew 37'],
    ['a clock behind by a second more', {}, { ctime: nowSeconds - skew - 1 }, 'auth.clock-skew 37'],
    ['an invalid ticket', { flags: 0x01400000 }, {}, 'auth.invalid-ticket 60'],
    [
      'authorization data of unknown types',
      {
        authorizationData: [{ adType: -5, adData: Uint8Array.of(1) }],
      },
      { authorizationData: [{ adType: 999, adData: Uint8Array.of(2) }] },
      'accepted',
    ],
    [
      'a checksum that nobody can verify',
      {},
      {
        cksum: { cksumtype: 1, checksum: Uint8Array.of(1, 2, 3, 4) },
      },
      'accepted',
    ],
    [
      'a session key of an unknown enctype',
      { key: { keytype: 1, keyvalue: new Uint8Array(8) } },
      {},
      'crypto.unsupported-enctype 60',
    ],
    [
      'a session key of the wrong size',
      { key: { keytype: 18, keyvalue: new Uint8Array(8) } },
      {},
      'crypto.bad-key-size 60',
    ],
    [
      'a subkey of an unknown enctype',
      {},
      { subkey: { keytype: 1, keyvalue: new Uint8Array(8) } },
      'crypto.unsupported-enctype 60',
    ],
  ];
  test.each(rows)('%s', async (_title, ticketFields, requestFields, outcome) => {
    expect(await outcomeOf(ticketFields, requestFields)).toBe(outcome);
  });

  test('a session key that is not permitted', async () => {
    const fields = { enctype: 18, sessionEnctype: 23 };
    expect(await outcomeOf(fields, {}, { permittedEnctypes: [18] })).toBe(
      'crypto.not-permitted 60',
    );
    expect(await outcomeOf(fields, {}, { permittedEnctypes: [18, 23] })).toBe('accepted');
  });

  test('a subkey that is not permitted', async () => {
    const subkey = { keytype: 17, keyvalue: someKey(17).bytes };
    const outcome = await outcomeOf({}, { subkey }, { permittedEnctypes: [18] });
    expect(outcome).toBe('crypto.not-permitted 60');
  });

  test.each([
    ['nothing', '', 'message.unexpected', 40],
    ['an AP-REP', '6f00', 'message.unexpected', 40],
    ['a TLS hello', '160301', 'message.unexpected', 40],
    ['a KRB-ERROR', '7e00', 'message.unexpected', 40],
    ['an AP-REQ without content', '6e00', 'decode.bad-value', 60],
    ['half an AP-REQ', '6e82024b3082', 'decode.truncated', 60],
  ])('%s', async (_title, bytes, code, wireNumber) => {
    const message = Uint8Array.from(Buffer.from(bytes, 'hex'));
    await expect(acceptApReq(message, acceptor())).rejects.toMatchObject({ code, wireNumber });
  });
});

describe('order of the checks', () => {
  test('an authenticator that does not open never reaches the replay cache', async () => {
    const options = acceptor();
    const bad = forgeApReq(forgeCredential(), { sealedWith: someKey(18, 5) });
    for (let time = 0; time < 2; time += 1) {
      await expect(acceptApReq(bad, options)).rejects.toMatchObject({ code: 'crypto.integrity' });
    }
  });

  test('a stale one does: the second time it is a replay', async () => {
    const options = acceptor();
    const stale = forgeApReq(forgeCredential(), { ctime: nowSeconds - 1000 });
    await expect(acceptApReq(stale, options)).rejects.toMatchObject({ code: 'auth.clock-skew' });
    await expect(acceptApReq(stale, options)).rejects.toMatchObject({ code: 'auth.replay' });
  });

  test('a ticket both expired and not yet valid is not yet valid; a wrong clock comes last', async () => {
    const times = { starttime: nowSeconds + 1000, endtime: nowSeconds - 1000 };
    expect(await outcomeOf(times, { ctime: 0 })).toBe('auth.not-yet-valid 33');
    expect(await outcomeOf({ endtime: nowSeconds - 1000 }, { ctime: 0 })).toBe('auth.expired 32');
    expect(await outcomeOf({ flags: 0x01000000 }, { ctime: 0 })).toBe('auth.clock-skew 37');
  });
});

describe('no byte of an AP-REQ can be changed unnoticed', () => {
  test('but for those that nothing protects', async () => {
    const request = forgeApReq(forgeCredential());
    const { ticket, authenticator } = decode(apReq, request);
    const taken = new Set<number>();
    for (let at = 0; at < request.length; at += 1) {
      const changed = request.with(at, (request[at] as number) ^ (1 << (at % 8)));
      try {
        await acceptApReq(changed, acceptor());
        taken.add(at);
      } catch (error) {
        if (!(error instanceof KpropError)) throw error;
      }
    }
    const bare = Buffer.from(request);
    const protectedAt = [ticket.value.encPart.cipher, authenticator.cipher].map((cipher) => {
      const start = bare.indexOf(cipher);
      return [start, start + cipher.length] as const;
    });
    for (const at of taken) {
      expect(protectedAt.some(([start, end]) => at >= start && at < end)).toBe(false);
    }
    // ap-options, ticket version, realm and name of the service: an alias in the ticket is legal.
    expect(taken.size).toBeLessThan(64);
  });
});

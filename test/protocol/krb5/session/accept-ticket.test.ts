import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { encode } from '../../../../src/protocol/der/schema.ts';
import type { KeytabEntry } from '../../../../src/protocol/krb5/formats/keytab.ts';
import { nameOf } from '../../../../src/protocol/krb5/messages/parts.ts';
import { Principal } from '../../../../src/protocol/krb5/messages/principal.ts';
import { ticket as ticketCodec } from '../../../../src/protocol/krb5/messages/ticket.ts';
import {
  type AcceptorOptions,
  acceptApReq,
} from '../../../../src/protocol/krb5/session/ap-exchange.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import {
  acceptor,
  entry,
  forgeApReq,
  forgeCredential,
  holding,
  replicaName,
  someKey,
  type TicketFields,
} from '../../../support/wire/forge.ts';

const other = Principal.parse('host/other.example@EXAMPLE.ORG');
const third = Principal.parse('host/third.example@EXAMPLE.ORG');
const ldap = Principal.parse('ldap/replica.example@EXAMPLE.ORG');
const foreign = Principal.parse('host/replica.example@OTHER.ORG');
const key = someKey(18);
const aes128 = someKey(17);
const stale = someKey(18, 99);

async function outcomeOf(fields: TicketFields, options: Partial<AcceptorOptions>) {
  try {
    const accepted = await acceptApReq(forgeApReq(forgeCredential(fields)), acceptor(options));
    return accepted.server.toString();
  } catch (error) {
    if (error instanceof KpropError) return `${error.code} ${error.wireNumber}`;
    throw error;
  }
}

test.each(enctypes)('a ticket of enctype %i is opened by the key of its name', async (enctype) => {
  expect(await outcomeOf({ enctype }, {})).toBe(replicaName.toString());
});

describe('under its own name, the acceptor looks one key up', () => {
  const rows: [string, TicketFields, Partial<AcceptorOptions>, string][] = [
    [
      'the key version of the ticket among others',
      {},
      {
        keytab: holding(entry(replicaName, stale, { kvno: 3 }), entry(replicaName, key)),
      },
      replicaName.toString(),
    ],
    [
      'no version in the ticket: the newest key',
      { kvno: null },
      {
        keytab: holding(entry(replicaName, stale, { kvno: 1 }), entry(replicaName, key)),
      },
      replicaName.toString(),
    ],
    ['an alias in the ticket, sealed with our key', { service: other }, {}, replicaName.toString()],
    ['an empty keytab', {}, { keytab: holding() }, 'auth.no-key 45'],
    ['only keys of other names', {}, { keytab: holding(entry(other, key)) }, 'auth.no-key 45'],
    [
      'only keys of our name in another realm',
      {},
      {
        keytab: holding(entry(foreign, key)),
      },
      'auth.no-key 45',
    ],
    [
      'only keys of another enctype',
      {},
      {
        keytab: holding(entry(replicaName, aes128)),
      },
      'auth.no-key 45',
    ],
    ['other key versions only, a ticket for us', { kvno: 3 }, {}, 'auth.wrong-kvno 44'],
    [
      'other key versions only, a ticket for another',
      { kvno: 3, service: other },
      {},
      'auth.not-us 35',
    ],
    [
      'another key of that version, a ticket for us',
      { serviceKey: stale },
      {},
      'crypto.integrity 31',
    ],
    [
      'another key of that version, a ticket for another',
      { serviceKey: stale, service: other },
      {},
      'auth.not-us 35',
    ],
    ['a ticket for another realm', { serviceKey: stale, service: foreign }, {}, 'auth.not-us 35'],
    [
      'an enctype that is not permitted',
      {},
      { permittedEnctypes: [17] },
      'crypto.not-permitted 60',
    ],
    [
      'a name that the keytab lacks, then one that it has',
      {},
      {
        services: [other, replicaName],
      },
      replicaName.toString(),
    ],
    [
      'the first of two names has other key versions: no second look',
      {},
      {
        services: [other, replicaName],
        keytab: holding(entry(other, stale, { kvno: 9 }), entry(replicaName, key)),
      },
      'auth.not-us 35',
    ],
    ['neither of two names', {}, { services: [other, third] }, 'auth.no-key 45'],
    [
      'a key of the wrong size',
      {},
      {
        keytab: holding(entry(replicaName, key, { bytes: new Uint8Array(5) })),
      },
      'crypto.bad-key-size 60',
    ],
  ];
  test.each(rows)('%s', async (_title, fields, options, outcome) => {
    expect(await outcomeOf(fields, options)).toBe(outcome);
  });

  test('a key of an enctype that is not implemented', async () => {
    const encPart = { etype: 1, kvno: 2, cipher: new Uint8Array(80) };
    const ticket = encode(ticketCodec, {
      tktVno: 5,
      realm: replicaName.realm,
      sname: nameOf(replicaName),
      encPart,
    });
    const request = forgeApReq({ ...forgeCredential(), ticket });
    const fields = { timestampSeconds: 0, kvno: 2, enctype: 1, key: new Uint8Array(8) };
    const keytab = holding({ ...fields, principal: replicaName } as never);
    await expect(acceptApReq(request, acceptor({ keytab }))).rejects.toMatchObject({
      code: 'crypto.unsupported-enctype',
      comErrText: 'Program lacks support for encryption type',
      wireNumber: 60,
    });
  });
});

describe('of many keys that may be the one, it tries eight', () => {
  const wrong = (count: number) =>
    Array.from({ length: count }, (_, at) =>
      entry(Principal.parse(`host/h${at}.example@EXAMPLE.ORG`), stale),
    );
  const outcome = (keys: readonly KeytabEntry[], fields: TicketFields = {}) =>
    outcomeOf(fields, { anyHost: true, keytab: holding(...keys) });
  const good = entry(other, key, { kvno: 7 });

  test('in the order of the keytab', async () => {
    expect(await outcome([...wrong(7), good])).toBe(other.toString());
    expect(await outcome([...wrong(8), good])).toBe('auth.not-us 35');
  });

  test('those of its name first, then those of its version', async () => {
    expect(await outcome([...wrong(1_000), good], { service: other })).toBe(other.toString());
    expect(await outcome([...wrong(1_000), good], { kvno: 7 })).toBe(other.toString());
  });

  test('and fewer, the longer the ticket is', async () => {
    const authorizationData = [{ adType: 1, adData: new Uint8Array(20_000) }];
    const fields = { authorizationData };
    expect(await outcome([...wrong(2), good], fields)).toBe(other.toString());
    expect(await outcome([...wrong(3), good], fields)).toBe('auth.not-us 35');
    expect(await outcome([...wrong(3), good], { ...fields, service: other })).toBe(`${other}`);
  });
});

describe('under any host name, it tries every key of the service', () => {
  const rows: [string, TicketFields, readonly KeytabEntry[], string][] = [
    ['its own', {}, [entry(replicaName, key)], replicaName.toString()],
    ['that of another host', { service: other }, [entry(other, key)], other.toString()],
    [
      'one under another version than the ticket says',
      { kvno: 7 },
      [entry(other, key)],
      other.toString(),
    ],
    ['the second that it tries', {}, [entry(other, stale), entry(third, key)], third.toString()],
    [
      'a good one behind a damaged one',
      {},
      [entry(other, key, { bytes: new Uint8Array(3) }), entry(third, key)],
      third.toString(),
    ],
    [
      'one under a name that the ticket does not say',
      { service: ldap },
      [entry(third, key)],
      third.toString(),
    ],
    ['an empty keytab', {}, [], 'auth.no-key 45'],
    ['no key of this service', {}, [entry(ldap, key), entry(foreign, key)], 'auth.no-key 45'],
    [
      'a name with three components is another service',
      {},
      [entry(Principal.parse('host/a/b@EXAMPLE.ORG'), key)],
      'auth.no-key 45',
    ],
    [
      'a ticket for a name in the keytab that is not of this service',
      { service: ldap },
      [entry(ldap, key), entry(other, stale)],
      'auth.not-us 35',
    ],
    [
      'a ticket for a name that the keytab lacks',
      { service: third },
      [entry(other, stale)],
      'auth.not-us 35',
    ],
    [
      'a ticket of a version that the keytab lacks',
      { kvno: 3, serviceKey: stale },
      [entry(replicaName, key)],
      'auth.wrong-kvno 44',
    ],
    [
      'a ticket of an enctype that the keytab lacks',
      {},
      [entry(replicaName, aes128)],
      'auth.wrong-kvno 44',
    ],
    [
      'a ticket of an enctype that this version lacks',
      { serviceKey: stale },
      [entry(replicaName, aes128), entry(replicaName, key, { kvno: 1 })],
      'auth.wrong-kvno 44',
    ],
    [
      'a ticket sealed with another key',
      { serviceKey: stale },
      [entry(replicaName, key)],
      'crypto.integrity 31',
    ],
    [
      'the same, without a version',
      { serviceKey: stale, kvno: null },
      [entry(replicaName, key)],
      'crypto.integrity 31',
    ],
  ];
  test.each(rows)('%s', async (_title, fields, entries, outcome) => {
    const keytab = holding(...entries);
    expect(await outcomeOf(fields, { anyHost: true, keytab })).toBe(outcome);
  });

  test('but not with an enctype that is not permitted', async () => {
    const options = { anyHost: true, permittedEnctypes: [17] };
    expect(await outcomeOf({}, options)).toBe('crypto.not-permitted 60');
  });
});

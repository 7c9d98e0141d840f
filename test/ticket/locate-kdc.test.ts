import { describe, expect, test } from 'vitest';

import { concat, utf8 } from '../../src/protocol/bytes.ts';
import {
  isPrimaryKdc,
  type KdcConfig,
  type KdcResolver,
  locateKdcs,
  parseUriRecords,
  systemResolver,
} from '../../src/ticket/locate-kdc.ts';

const realm = 'EXAMPLE.ORG';

function config(
  o: { kdcs?: string[]; primaryKdcs?: string[] } & Partial<KdcFlags> = {},
): KdcConfig {
  return {
    dnsLookupKdc: true,
    dnsUriLookup: true,
    udpPreferenceLimit: 1465,
    requestTimeoutSeconds: 0,
    ...o,
    kdcs: () => o.kdcs ?? [],
    primaryKdcs: () => o.primaryKdcs ?? [],
  };
}
type KdcFlags = Omit<KdcConfig, 'kdcs' | 'primaryKdcs'>;

/** A resolver over tables, and the names it was asked for. */
function zone(o: {
  srv?: Record<string, { name: string; port: number; priority: number }[]>;
  uri?: Record<string, { target: string; priority: number }[]>;
}): { resolver: KdcResolver; asked: string[] } {
  const asked: string[] = [];
  const resolver: KdcResolver = {
    addresses: async () => [],
    srv: async (name) => {
      asked.push(`SRV ${name}`);
      return o.srv?.[name] ?? [];
    },
    uri: async (name) => {
      asked.push(`URI ${name}`);
      return o.uri?.[name] ?? [];
    },
  };
  return { resolver, asked };
}

async function located(entries: string[]): Promise<string[]> {
  const servers = await locateKdcs(realm, config({ kdcs: entries }), zone({}));
  return servers.map(({ host, port, transport }) => `${host} ${port}/${transport}`);
}

describe('kdc lines of krb5.conf', () => {
  test.each([
    ['kdc.example', 'kdc.example 88/either'],
    ['kdc.example:1088', 'kdc.example 1088/either'],
    ['192.0.2.1:1', '192.0.2.1 1/either'],
    ['[fd00::1]', 'fd00::1 88/either'],
    ['[fd00::1]:750', 'fd00::1 750/either'],
    ['kdc.example 750', 'kdc.example 88/either'], // as MIT kprop 1.20.1 reads it
    ['https://proxy.example/KdcProxy', 'https://proxy.example/KdcProxy 443/kkdcp'],
  ])('%s is %s', async (entry, expected) => {
    expect(await located([entry])).toEqual([expected]);
  });

  test('keep their order, and one with only a port is ignored', async () => {
    expect(await located(['b.example', '88', 'a.example'])).toEqual([
      'b.example 88/either',
      'a.example 88/either',
    ]);
  });

  // MIT kprop 1.20.1 says "Invalid argument" to each.
  test.each(['::1', 'fd00::2', 'kdc:x', 'kdc:', 'kdc:99999', '[::1', ':88', 'kdc:0'])(
    '%s is a mistake',
    async (entry) => {
      await expect(located([entry])).rejects.toMatchObject({
        code: 'config.value',
        comErrText: 'Invalid argument',
      });
    },
  );

  test('win over DNS', async () => {
    const { resolver, asked } = zone({});
    await locateKdcs(realm, config({ kdcs: ['a'] }), { resolver });
    expect(asked).toEqual([]);
  });

  test('primaryOnly takes the list of primaries', async () => {
    const both = config({ kdcs: ['a'], primaryKdcs: ['p'] });
    const servers = await locateKdcs(realm, both, { ...zone({}), primaryOnly: true });
    expect(servers).toEqual([{ host: 'p', port: 88, transport: 'either', primary: true }]);
  });
});

describe('DNS', () => {
  const srv = {
    '_kerberos._udp.EXAMPLE.ORG': [
      { name: 'c', port: 88, priority: 10 },
      { name: 'b', port: 88, priority: 10 },
      { name: 'a', port: 1088, priority: 5 },
    ],
    '_kerberos._tcp.EXAMPLE.ORG': [{ name: 't', port: 88, priority: 0 }],
    '_kerberos-master._tcp.EXAMPLE.ORG': [{ name: 'p', port: 88, priority: 0 }],
  };
  const uri = {
    '_kerberos.EXAMPLE.ORG': [
      { priority: 20, target: 'krb5srv:m:udp:127.0.0.1:1001' },
      { priority: 10, target: 'KRB5SRV::tcp:127.0.0.1' },
      { priority: 5, target: 'krb5srv:x:kkdcp:https://proxy.example/KdcProxy' },
      { priority: 30, target: 'junk:m:udp:127.0.0.1:5' },
      { priority: 30, target: 'krb5srv:m:udp:' },
      { priority: 31, target: 'krb5srv:m:udp:127.0.0.1:x' },
    ],
  };

  test('SRV records are sorted by priority alone, UDP before TCP', async () => {
    const { resolver, asked } = zone({ srv });
    const servers = await locateKdcs(realm, config(), { resolver });
    expect(servers.map(({ host, port, transport }) => [host, port, transport])).toEqual([
      ['a.', 1088, 'udp'],
      ['c.', 88, 'udp'],
      ['b.', 88, 'udp'],
      ['t.', 88, 'tcp'],
    ]);
    expect(asked).toEqual([
      'URI _kerberos.EXAMPLE.ORG',
      'SRV _kerberos._udp.EXAMPLE.ORG',
      'SRV _kerberos._tcp.EXAMPLE.ORG',
    ]);
  });

  test('URI records come before SRV records, and bad ones are left out', async () => {
    expect(await locateKdcs(realm, config(), zone({ srv, uri }))).toEqual([
      { host: 'https://proxy.example/KdcProxy', port: 443, transport: 'kkdcp', primary: false },
      { host: '127.0.0.1', port: 88, transport: 'tcp', primary: false },
      { host: '127.0.0.1', port: 1001, transport: 'udp', primary: true },
    ]);
  });

  test('primaries are the URI records flagged m, else _kerberos-master', async () => {
    const o = { primaryOnly: true };
    expect(await locateKdcs(realm, config(), { ...o, ...zone({ srv, uri }) })).toMatchObject([
      { port: 1001, primary: true },
    ]);
    expect(await locateKdcs(realm, config(), { ...o, ...zone({ srv }) })).toMatchObject([
      { host: 'p.', transport: 'tcp', primary: true },
    ]);
  });

  test('is asked for no more than the configuration allows', async () => {
    const noUri = zone({ srv, uri });
    await locateKdcs(realm, config({ dnsUriLookup: false }), noUri);
    expect(noUri.asked).not.toContain('URI _kerberos.EXAMPLE.ORG');
    const nothing = zone({ srv, uri });
    await expect(locateKdcs(realm, config({ dnsLookupKdc: false }), nothing)).rejects.toMatchObject(
      { code: 'kdc.unknown-realm', wireNumber: 60, detail: { realm } },
    );
    expect(nothing.asked).toEqual([]);
  });

  test('that knows nothing leaves the realm unknown', async () => {
    await expect(locateKdcs(realm, config(), zone({}))).rejects.toMatchObject({
      code: 'kdc.unknown-realm',
    });
  });
});

describe('whether a KDC is a primary', () => {
  const replica = {
    host: 'KDC.example',
    port: 88,
    transport: 'either',
    primary: undefined,
  } as const;

  test('follows from the list of primaries', async () => {
    const is = (primaryKdcs: string[]) =>
      isPrimaryKdc(replica, realm, config({ primaryKdcs }), zone({}));
    expect(await is(['other', 'kdc.EXAMPLE'])).toBe(true);
    expect(await is(['other', 'kdc.EXAMPLE:89'])).toBe(false);
    expect(await is([])).toBe(false);
  });

  test('is what its URI record said', async () => {
    for (const primary of [true, false]) {
      expect(await isPrimaryKdc({ ...replica, primary }, realm, config(), zone({}))).toBe(primary);
    }
  });
});

describe('URI records in a DNS message', () => {
  const question = concat(Uint8Array.of(1, 97, 0), Uint8Array.of(1, 0, 0, 1));
  const record = (type: number, data: Uint8Array) =>
    concat(
      Uint8Array.of(0xc0, 12, type >> 8, type & 0xff, 0, 1, 0, 0, 0, 60, 0, data.length),
      data,
    );
  const message = concat(
    Uint8Array.of(0, 1, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0),
    question,
    record(5, Uint8Array.of(1, 98, 0)),
    record(256, concat(Uint8Array.of(1, 2, 0, 9), utf8('krb5srv::udp:a'))),
    record(256, concat(Uint8Array.of(0, 1, 0, 0), utf8('krb5srv:m:tcp:b'))),
  );

  test('are read with their priorities', () => {
    expect(parseUriRecords(message)).toEqual([
      { priority: 258, target: 'krb5srv::udp:a' },
      { priority: 1, target: 'krb5srv:m:tcp:b' },
    ]);
  });

  test('are none in any prefix of it', () => {
    for (let end = 0; end < message.length; end++) {
      expect(parseUriRecords(message.subarray(0, end))).toEqual([]);
    }
  });
});

test('the system’s resolver takes addresses as they are and gives nothing for nothing', async () => {
  const resolver = systemResolver();
  expect(await resolver.addresses('127.0.0.1')).toEqual([{ address: '127.0.0.1', family: 4 }]);
  expect(await resolver.addresses('::1')).toEqual([{ address: '::1', family: 6 }]);
  expect(await resolver.addresses('.')).toEqual([]);
});

import { afterAll, beforeAll, expect, test } from 'vitest';

import { expectSeesBreaking } from './breaking.ts';
import { ContainerRealm } from './realm.ts';

let realm: ContainerRealm;

beforeAll(async () => {
  realm = await ContainerRealm.create(['kdc2']);
  await realm.startReplica('kdc2', { kpropd: 'ours' });
});
afterAll(() => realm?.close());

/** Ways to type a host. */
const typings = {
  'its whole name': () => realm.nameOf('kdc2'),
  'its whole name in capitals': () => realm.nameOf('kdc2').toUpperCase(),
  'its first name': () => realm.shortNameOf('kdc2'),
  'its address': () => realm.host('kdc2').address(),
} as const;

type Typing = keyof typeof typings;
const all = Object.keys(typings) as Typing[];

/**
 * What finds the key host/<whole name>. With true the DNS decides, forwards and back; with false a
 * first name gets the domain of the resolver, and capitals go; with fallback kprop changes nothing.
 */
const cases: Readonly<Record<string, readonly Typing[]>> = {
  true: all,
  false: ['its whole name', 'its whole name in capitals', 'its first name'],
  fallback: ['its whole name'],
};

const rows = Object.entries(cases).flatMap(([mode, found]) =>
  (['ours', 'mit'] as const).map((make) => ({ mode, make, found })),
);

test.each(rows)(
  '$make kprop with dns_canonicalize_hostname = $mode',
  async ({ mode, make, found }) => {
    const conf = `[libdefaults]\ndns_canonicalize_hostname = ${mode}\nrdns = true\n`;
    await realm.primary.sh('printf %s "$1" >/tmp/mode.conf', conf);
    const env = { KRB5_CONFIG: '/tmp/mode.conf:/etc/krb5kdc/krb5.conf' };
    for (const typing of all) {
      const o = { env, typed: await typings[typing]() };
      if (found.includes(typing)) {
        await realm.expectPropagates(make, 'kdc2', o);
        await expectSeesBreaking(realm, make, 'kdc2', ['wrong ACL'], o);
      } else {
        const { exitCode, output } = await realm.kprop(make, 'kdc2', o);
        expect(output, typing).toMatch(
          /^\S*kprop: Server not found in Kerberos database while getting initial credentials$/m,
        );
        expect(exitCode, typing).toBe(1);
      }
    }
  },
);

test('a name that does not exist makes kprop fail, and nothing else', async () => {
  await realm.dump();
  for (const make of ['ours', 'mit'] as const) {
    const { exitCode, output } = await realm.kprop(make, 'kdc9');
    expect(exitCode).toBe(1);
    expect(output).toMatch(/Server not found in Kerberos database/);
  }
  await realm.expectPropagates('ours', 'kdc2');
});

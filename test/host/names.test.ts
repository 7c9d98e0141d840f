import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { canonicalHost, type HostNameRules, localHostName } from '../../src/host/names.ts';

const nowhere = async () => undefined;

function rules(o: Partial<HostNameRules>): HostNameRules {
  return {
    canonicalize: 'false',
    rdns: true,
    qualifyShortname: undefined,
    lookUp: nowhere,
    searchDomain: () => undefined,
    ...o,
  };
}

describe('what MIT kprop 1.20.1 was seen to ask for', () => {
  const nameOf = async (host: string, o: Partial<HostNameRules>) =>
    (await canonicalHost(host, rules(o))).join(' then ');

  test.each([
    ['VM', '', 'vm'],
    ['vm.', '', 'vm'],
    ['127.0.0.1', '', '127.0.0.1'],
    ['::1', '', '::1'],
    ['vm', 'dom.example', 'vm.dom.example'],
    ['vm.', 'dom.example', 'vm'],
    ['::1', 'dom.example', '::1.dom.example'],
    ['nosuch.Example.ORG', 'dom.example', 'nosuch.example.org'],
  ])('without DNS, %s with suffix "%s" is %s', async (host, qualifyShortname, expected) => {
    expect(await nameOf(host, { qualifyShortname })).toBe(expected);
  });

  test.each([
    ['first.example', 'vm.first.example'],
    ['D.example', 'vm.d.example'],
    ['first.example.', 'vm.first.example'],
    ['.', 'vm.'],
    [undefined, 'vm'],
  ])('without DNS and suffix, vm in search domain %s is %s', async (domain, expected) => {
    expect(await nameOf('vm', { searchDomain: () => domain })).toBe(expected);
  });

  test.each([
    ['box', 'box.corp.example', 'box.corp.example'],
    ['OTHER', 'Other.Corp.EXAMPLE.', 'other.corp.example'],
    ['SHORT', 'short', 'short'],
    ['10.1.2.3', 'box.corp.example', 'box.corp.example'],
    ['vm', 'localhost', 'localhost'],
    ['nosuch', undefined, 'nosuch.dom.example'],
    ['box.', undefined, 'box'],
  ])('with DNS, %s found as %s is %s', async (host, found, expected) => {
    const o = { qualifyShortname: 'dom.example', lookUp: async () => found };
    expect(await nameOf(host, { ...o, canonicalize: 'true' })).toBe(expected);
  });
});

test('the reverse look-up is the resolver’s, and only asked for with rdns', async () => {
  const asked: boolean[] = [];
  const lookUp = async (_: string, o: { rdns: boolean }) => {
    asked.push(o.rdns);
    return 'a.example';
  };
  await canonicalHost('a', rules({ canonicalize: 'true', rdns: true, lookUp }));
  await canonicalHost('a', rules({ canonicalize: 'true', rdns: false, lookUp }));
  await canonicalHost('a', rules({ canonicalize: 'false', lookUp }));
  expect(asked).toEqual([true, false]);
});

test('fallback gives the form without DNS first, each made ready for a principal', async () => {
  const o = rules({ canonicalize: 'fallback', qualifyShortname: 'dom.example' });
  const lookUp = async () => 'Box.Corp.example.';
  expect(await canonicalHost('BOX', { ...o, lookUp })).toEqual([
    'box.dom.example',
    'box.corp.example',
  ]);
  expect(await canonicalHost('BOX', o)).toEqual(['box.dom.example']);
});

test('letters beyond ASCII keep their case', async () => {
  expect(await canonicalHost('ÄB.Example', rules({}))).toEqual(['Äb.example']);
});

test('the local name is that of the kernel', () => {
  expect(localHostName()).toBe(hostname());
});

const mitKprop = '/usr/sbin/kprop';

describe('against the kprop installed here, with the resolver of this machine', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'names-'));
    writeFileSync(join(dir, 'dump'), '');
    writeFileSync(join(dir, 'dump.dump_ok'), '');
    execFileSync('touch', ['-d', '1 hour ago', join(dir, 'dump')]);
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  /** The own and the replica's principal that kprop names in its trace. */
  function askedFor(host: string, o: HostNameRules): { own: string; replica: string } {
    const conf = `[libdefaults]
        default_realm = EXAMPLE.ORG
        dns_lookup_kdc = false
        dns_lookup_realm = false
        dns_canonicalize_hostname = ${o.canonicalize}
        rdns = ${o.rdns}
        ${o.qualifyShortname === undefined ? '' : `qualify_shortname = "${o.qualifyShortname}"`}
        [realms]
        EXAMPLE.ORG = {
          kdc = 127.0.0.1:1
        }`;
    writeFileSync(join(dir, 'krb5.conf'), conf);
    const trace = join(dir, 'trace');
    rmSync(trace, { force: true });
    const keytab = join(dir, 'keytab');
    spawnSync(mitKprop, ['-f', join(dir, 'dump'), '-s', keytab, host], {
      env: { ...process.env, KRB5_CONFIG: join(dir, 'krb5.conf'), KRB5_TRACE: trace },
      timeout: 30_000,
    });
    const text = readFileSync(trace, 'latin1');
    const own = /Getting initial credentials for host\/(.*)@/.exec(text)?.[1];
    const replica = /Setting initial creds service to host\/(.*)/.exec(text)?.[1];
    return { own: own ?? '', replica: replica ?? '' };
  }

  const hosts = ['VM', 'vm.', 'localhost', hostname(), '127.0.0.1', '::1', 'nosuch.Invalid'];
  const modes = [
    { canonicalize: 'true', rdns: true, qualifyShortname: undefined },
    { canonicalize: 'true', rdns: false, qualifyShortname: 'dom.Example' },
    { canonicalize: 'false', rdns: true, qualifyShortname: undefined },
    { canonicalize: 'false', rdns: true, qualifyShortname: '' },
    { canonicalize: 'false', rdns: true, qualifyShortname: 'dom.Example.' },
  ] as const;
  test.each(modes.flatMap((mode) => hosts.map((host) => [host, mode] as const)))(
    '%s under %o',
    async (host, mode) => {
      expect({
        own: (await canonicalHost(localHostName(), mode))[0],
        replica: (await canonicalHost(host, mode))[0],
      }).toEqual(askedFor(host, mode));
    },
  );

  test('in fallback mode both names are asked for as they stand', () => {
    const o = { canonicalize: 'fallback', rdns: true, qualifyShortname: 'dom.Example' } as const;
    expect(askedFor('VM.', o)).toEqual({ own: hostname(), replica: 'VM.' });
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { type Krb5Config, loadKrb5Config } from 'kprop';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { BadSettings, complaintText } from '../src/config/complaints.ts';
import { initialConfig } from '../src/config/init.ts';
import { globalRelations, nearest, replicaRelations } from '../src/config/relations.ts';
import { settingsOf } from '../src/config/settings.ts';

let folder: string;
let krb5: Krb5Config;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kpropctl-settings-'));
  const file = join(folder, 'krb5.conf');
  writeFileSync(
    file,
    `[libdefaults]
  default_realm = EXAMPLE.ORG
[realms]
  EXAMPLE.ORG = {
    kdc = kdc1.example.org
    kdc = kdc2.example.org:88
    kdc = [2001:db8::3]:88
    kdc = kdc2.example.org
  }
`,
  );
  krb5 = loadKrb5Config({ krb5ConfFiles: file });
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (text: string, hosts?: readonly string[]) =>
  settingsOf(text, { file: 'kpropctl.conf', krb5, hosts });

function complaints(text: string): readonly string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof BadSettings) return error.complaints.map(complaintText);
    throw error;
  }
  return [];
}

test('without a file: every default, and the replicas of the command line', () => {
  expect(read('', ['a', 'b', 'a'])).toMatchObject({
    realm: 'EXAMPLE.ORG',
    maxShrink: 0.05,
    everySeconds: 300,
    backoffSeconds: { first: 5, most: 120 },
    proof: 'kpropctl/canary@EXAMPLE.ORG',
    critAfterSeconds: 3_600,
    replicas: [
      { host: 'a', kdc: 'a', totalSeconds: 900, required: true },
      { host: 'b', kdc: 'b', totalSeconds: 900, required: true },
    ],
  });
});

test('what is given, for all and for one replica', () => {
  const text = `[kpropctl]
    total = 10m
    proof = none
[replicas]
    kdc2 = { }
    kdc3 = {
      port = 7754
      kdc = kdc3:8888
      total = 1h
      after = kdc2
      required = false
    }
`;
  const settings = read(text);
  expect(settings.proof).toBeUndefined();
  expect(settings.replicas).toEqual([
    {
      host: 'kdc2',
      port: undefined,
      kdc: 'kdc2',
      totalSeconds: 600,
      after: undefined,
      required: true,
    },
    {
      host: 'kdc3',
      port: '7754',
      kdc: 'kdc3:8888',
      totalSeconds: 3_600,
      after: 'kdc2',
      required: false,
    },
  ]);
  // Of the command line, with what the file knows of it.
  expect(read(text, ['kdc3'])).toMatchObject({ replicas: [{ host: 'kdc3', port: '7754' }] });
});

test('who may read the page from elsewhere, and press its button', () => {
  const text = `[kpropctl]
    listen = [::]:9754
    page_keytab = /etc/krb5kdc/http.keytab
    page_principals = admin/admin, operator@OTHER.ORG
`;
  expect(read(text)).toMatchObject({
    listen: '[::]:9754',
    pageKeytab: '/etc/krb5kdc/http.keytab',
    pagePrincipals: ['admin/admin@EXAMPLE.ORG', 'operator@OTHER.ORG'],
  });
});

test.each(['localhost', hostname(), `${hostname().toUpperCase()}.`])(
  'a replica that is this host: %s',
  (host) => {
    expect(() => read('', ['other', host])).toThrow(/is this host: name the replicas only/);
    expect(complaints(`[replicas]\n  ${host} = { }\n`).join()).toContain('is this host');
  },
);

describe('what is wrong is told with file, line, and what was meant', () => {
  test.each([
    [
      'a relation that is not known',
      '[kpropctl]\n  paralel = 3\n',
      ':2: there is no relation paralel: did you mean parallel?',
    ],
    [
      'one that is like none',
      '[kpropctl]\n  zzzzzzz = 3\n',
      'kpropctl init shows all that there are',
    ],
    [
      'a section that is not known',
      '[kpropct]\n  every = 3\n',
      'there is no section kpropct: did you mean kpropctl?',
    ],
    ['a relation twice', '[kpropctl]\n  every = 1m\n  every = 2m\n', ':3: every is there twice'],
    ['a section for a relation', '[kpropctl]\n  every = {\n  }\n', ':2: every is a section'],
    [
      'a value for a replica',
      '[replicas]\n  kdc2 = yes\n',
      ':2: kdc2 has a value: write it as a section: kdc2 = { }',
    ],
    [
      'a replica by two spellings',
      '[replicas]\n  kdc2 = {\n  }\n  KDC2. = {\n  }\n',
      ':4: KDC2. is there twice: the other one is kdc2',
    ],
    [
      'after nobody',
      '[replicas]\n  kdc2 = {\n   after = kdc333\n  }\n  kdc33 = {\n  }\n',
      'did you mean kdc33?',
    ],
    [
      'after itself',
      '[replicas]\n  a = {\n   after = b\n  }\n  b = {\n   after = a\n  }\n',
      'a waits for itself',
    ],
    [
      'a comment behind a value',
      '[kpropctl]\n  realm = R # mine\n',
      ':2: realm has a comment behind its value',
    ],
    [
      'an open port',
      '[kpropctl]\n  listen = 0.0.0.0:9754\n',
      ':2: listen = 0.0.0.0:9754 can be reached from other hosts, and page_keytab is not set',
    ],
    [
      'a page that asks for tickets, and admits nobody',
      '[kpropctl]\n  listen = 0.0.0.0:9754\n  page_keytab = /k\n',
      ':3: page_keytab is set, and page_principals names nobody',
    ],
    ['bad syntax', '[kpropctl]\n  every\n', ':2: this is not a relation'],
  ])('%s', (_, text, expected) => {
    expect(complaints(text).join('\n')).toContain(expected);
  });

  test.each(
    Object.entries(globalRelations).flatMap(([name, { kind }]) =>
      (kind === 'text'
        ? []
        : kind === 'path'
          ? ['relative/path']
          : ['-1', 'nonsense', '1 2 3']
      ).map((value) => [name, value] as const),
    ),
  )('%s = %s', (name, value) => {
    expect(complaints(`[kpropctl]\n  ${name} = ${value}\n`)).toEqual([
      expect.stringMatching(new RegExp(`^kpropctl\\.conf:2: ${name} = ${value} is not `)),
    ]);
  });

  test('everything at once', () => {
    expect(complaints('[kpropctl]\n every = x\n colour = 1\n[replicas]\n a = 1\n')).toHaveLength(3);
  });
});

test('init: a configuration that is read without a complaint, with the other KDCs as replicas', () => {
  const text = initialConfig(krb5);
  expect(complaints(text)).toEqual([]);
  const settings = read(text);
  expect(settings.realm).toBe('EXAMPLE.ORG');
  expect(settings.replicas.map(({ host }) => host)).toEqual([
    ...['kdc1.example.org', 'kdc2.example.org', '2001:db8::3'],
  ]);
  for (const name of Object.keys({ ...globalRelations, ...replicaRelations })) {
    expect(text).toContain(name);
  }
  // With the comment signs gone the defaults are what was meant.
  const open = text.replace(/^ {4}#(\w+ = )(?!…)/gm, '    $1');
  expect(complaints(open)).toEqual([]);
  expect(read(open)).toEqual(settings);
});

test('the nearest name', () => {
  expect(nearest('everry', ['every', 'cron'])).toBe('every');
  expect(nearest('x', ['every', 'cron'])).toBeUndefined();
});

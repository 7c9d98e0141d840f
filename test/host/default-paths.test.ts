import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { parseDefaultPaths, readDefaultPaths } from '../../src/host/default-paths.ts';

const folder = mkdtempSync(join(tmpdir(), 'kprop-defaults-'));
afterAll(() => rmSync(folder, { recursive: true }));

const debian = {
  dump: '/var/lib/krb5kdc/replica_datatrans',
  received: '/var/lib/krb5kdc/from_master',
  acl: '/etc/krb5kdc/kpropd.acl',
  kdb5Util: '/usr/sbin/kdb5_util',
  database: '/var/lib/krb5kdc/principal',
  stash: '/etc/krb5kdc/.k5.',
  kdcConf: '/etc/krb5kdc/kdc.conf',
  krb5Conf: '/etc/krb5.conf',
};

test('without a file they are those that MIT has on Debian', () => {
  expect(readDefaultPaths(join(folder, 'none'))).toEqual(debian);
});

test('a file sets some or all of them', () => {
  const file = join(folder, 'fedora.json');
  const paths = {
    acl: '/var/kerberos/krb5kdc/kpropd.acl',
    kdcConf: '/var/kerberos/krb5kdc/kdc.conf',
  };
  writeFileSync(file, JSON.stringify(paths));
  expect(readDefaultPaths(file)).toEqual({ ...debian, ...paths });
});

test('an unreadable file is not taken for a missing one', () => {
  expect(() => readDefaultPaths(folder)).toThrow(
    expect.objectContaining({
      code: 'config.unreadable',
      detail: { path: folder, errno: 'EISDIR' },
    }),
  );
});

describe('a file that means nothing is refused, with the line', () => {
  test.each([
    ['', 1, 'not valid JSON'],
    ['{\n\n"acl": /x }', 3, 'not valid JSON'],
    ['["/x"]', 1, 'not a JSON object'],
    ['null', 1, 'not a JSON object'],
    ['{ "acl": "/x",\n  "keytab": "/y" }', 2, '"keytab" is not the name of a path'],
    ['{ "constructor": "/y" }', 1, '"constructor" is not the name of a path'],
    ['{\n  "acl": "x" }', 2, '"acl" is not an absolute path'],
    ['{ "acl": 7 }', 1, '"acl" is not an absolute path'],
  ])('%j', (text, line, reason) => {
    expect(() => parseDefaultPaths(text, '/etc/kprop.json')).toThrow(
      expect.objectContaining({
        code: 'config.syntax',
        detail: { file: '/etc/kprop.json', line, reason },
      }),
    );
  });
});

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';

const klist = '/usr/bin/klist';
const nobody = 65_534;
let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'config-files-'));
  chmodSync(dir, 0o755);
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text);
  write('good', '[libdefaults]\ndefault_realm = GOOD\n');
  write('other', '[libdefaults]\ndefault_realm = OTHER\n');
  write('bad', '[libdefaults\n');
  write('bad-boolean', '[libdefaults]\nallow_rc4 = maybe\n');
  write('bad-tristate', '[libdefaults]\ndns_canonicalize_hostname = maybe\n');
  write('secret', '[libdefaults]\ndefault_realm = SECRET\n');
  chmodSync(join(dir, 'secret'), 0o600);
  mkdirSync(join(dir, 'empty'));
  mkdirSync(join(dir, 'folder/sub.conf'), { recursive: true });
  // The names and their fate as measured with 1.20.1.
  const taken = ['10', '2', 'B', 'Z', 'a', 'a.conf', 'conf', 'd-e_f', 'x y.conf', 'é.conf'];
  const skipped = ['.hid.conf', '.conf', 'b~', 'c.rpmsave', 'g h', 'é', 'a.confx'];
  for (const name of [...taken, ...skipped]) write(`folder/${name}`, `[a]\nname = ${name}\n`);
  mkdirSync(join(dir, 'half'));
  write('half/a', '[libdefaults]\n');
  write('half/b.conf', '[libdefaults]\nx\n');
  write('include-good', `include ${dir}/good\n`);
  write('include-none', `[a]\ninclude ${dir}/none\n`);
  write('include-secret', `include ${dir}/secret\n`);
  write('include-folder', `include ${dir}/folder\n`);
  write('include-blank', `include ${dir}/good \n`);
  write('include-home', 'include ~/good\n');
  write('include-itself', `include ${dir}/include-itself\n`);
  write('includedir', `includedir ${dir}/folder\n`);
  write('includedir-none', `includedir ${dir}/none\n`);
  write('includedir-file', `includedir ${dir}/good\n`);
  write('includedir-half', `includedir ${dir}/half\n`);
});
afterAll(() => rmSync(dir, { recursive: true }));

/** KRB5_CONFIG of names in the folder; a name with a slash or a tilde stays as it is. */
const listOf = (names: string) =>
  names
    .split(':')
    .map((name) => (name === '' || /^[/~]/.test(name) ? name : join(dir, name)))
    .join(':');

/** As root, does it as nobody: root may read everything. */
function unprivileged<T>(action: () => T): T {
  if (process.getuid?.() !== 0) return action();
  process.seteuid?.(nobody);
  try {
    return action();
  } finally {
    process.seteuid?.(0);
  }
}

function ours(names: string): string | undefined {
  try {
    unprivileged(() => loadKrb5Config({ krb5ConfFiles: listOf(names) }));
    return undefined;
  } catch (error) {
    if (error instanceof KpropError) return error.comErrText;
    throw error;
  }
}

function mits(names: string): string | undefined {
  const { stderr } = spawnSync(klist, ['-k', 'MEMORY:x'], {
    env: { KRB5_CONFIG: listOf(names), HOME: dir },
    encoding: 'utf8',
    ...(process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}),
  });
  return /^klist: (.*) while initializing krb5$/m.exec(stderr)?.[1];
}

describe('starts, or refuses to, exactly as klist does', () => {
  test.each([
    ['good', undefined],
    ['', undefined],
    [':bad', undefined],
    ['good::bad', undefined],
    ['none', undefined],
    ['none:none', undefined],
    ['/dev/null', undefined],
    ['empty', undefined],
    ['folder', undefined],
    ['none:bad', 'Improper format of Kerberos configuration file'],
    ['good:bad', 'Improper format of Kerberos configuration file'],
    ['half', 'Improper format of Kerberos configuration file'],
    ['bad-boolean', 'Invalid boolean value'],
    ['bad-tristate', 'Invalid argument'],
    ['secret', 'Permission denied'],
    ['secret:none', 'Permission denied'],
    ['none:secret', 'Permission denied'],
    ['secret:good', undefined],
    ['secret:bad-boolean', 'Invalid boolean value'],
    ['good/x', 'Not a directory'],
    ['good:good/x', 'Not a directory'],
    ['include-good', undefined],
    ['include-none', 'Included profile file could not be read'],
    ['include-secret', 'Included profile file could not be read'],
    ['include-folder', undefined],
    ['include-blank', 'Included profile file could not be read'],
    ['include-home', 'Included profile file could not be read'],
    ['includedir', undefined],
    ['includedir-none', 'Included profile directory could not be read'],
    ['includedir-file', 'Included profile directory could not be read'],
    ['includedir-half', 'Improper format of Kerberos configuration file'],
  ])('%j', (names, text) => {
    expect({ ours: ours(names), mits: mits(names) }).toEqual({ ours: text, mits: text });
  });
});

test('files count in the order of the list, kdc.conf before them', () => {
  const load = (krb5ConfFiles: string, kdcConfFile?: string) =>
    loadKrb5Config({ krb5ConfFiles, ...(kdcConfFile === undefined ? {} : { kdcConfFile }) });
  expect(load(listOf('none:good:other')).defaultRealm).toBe('GOOD');
  expect(load(listOf('good'), join(dir, 'other')).defaultRealm).toBe('OTHER');
  expect(load('', join(dir, 'other')).defaultRealm).toBe('OTHER');
  expect(load(listOf('good:none:other'), join(dir, 'none')).files).toEqual([
    join(dir, 'good'),
    join(dir, 'other'),
  ]);
});

test('~ is the home directory that is given, or that of the account', () => {
  expect(loadKrb5Config({ krb5ConfFiles: '~/good', homeDirectory: dir }).defaultRealm).toBe('GOOD');
  const name = 'no-such-file-of-kprop';
  const inHome = loadKrb5Config({ krb5ConfFiles: `~/${name}`, homeDirectory: userInfo().homedir });
  expect(loadKrb5Config({ krb5ConfFiles: `~/${name}` }).files).toEqual(inHome.files);
});

test('/etc/krb5.conf is read unless something else is named', () => {
  expect(loadKrb5Config({}).files).toEqual(existsSync('/etc/krb5.conf') ? ['/etc/krb5.conf'] : []);
});

test.each(['folder', 'includedir'])('%s: valid names only, in strcmp order', (name) => {
  expect(loadKrb5Config({ krb5ConfFiles: listOf(name) }).values('a', 'name')).toEqual([
    '10',
    '2',
    'B',
    'Z',
    'a',
    'a.conf',
    'conf',
    'd-e_f',
    'x y.conf',
    'é.conf',
  ]);
});

test('a file that includes itself is refused', () => {
  // MIT's library opens it again and again until it has no descriptors left.
  expect(ours('include-itself')).toBe('Improper format of Kerberos configuration file');
});

test('a byte that is not UTF-8 changes nothing on other lines', () => {
  const path = join(dir, 'latin1');
  const bytes = Buffer.from('# M\xfcller\n[realms]\nX = {\nkdc = ', 'latin1');
  writeFileSync(path, Buffer.concat([bytes, Buffer.from('kdc.müller.example\n}\n')]));
  expect(loadKrb5Config({ krb5ConfFiles: path }).kdcs('X')).toEqual(['kdc.müller.example']);
});

test('the place of a mistake is named', () => {
  expect(() => loadKrb5Config({ krb5ConfFiles: listOf('includedir-half') })).toThrow(
    expect.objectContaining({
      code: 'config.syntax',
      message: `${join(dir, 'half/b.conf')} line 2: this is not a relation of the form "tag = value"`,
    }),
  );
});

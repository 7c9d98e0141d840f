import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { encodeKit } from '../src/kit/kit.ts';
import { seal } from '../src/kit/seal.ts';
import { EmptyHost, keytabOf, kitFor, passphrase } from './empty-host.ts';

// All files or none, whatever happens on the way: strace makes a system call fail, or sends a signal.

const kit = kitFor('kdc5.kit.test');
const good = { ...kit, files: new Map([...kit.files, ['krb5.conf', conf('\n')] as const]) };
function conf(more: string): Uint8Array {
  return Buffer.concat([kit.files.get('krb5.conf') as Uint8Array, Buffer.from(more)]);
}

let host: EmptyHost;
let file: string;
beforeEach(async () => {
  host = new EmptyHost('kdc5.kit.test');
  file = join(host.folder, 'kit');
  writeFileSync(file, await seal(encodeKit(good), passphrase, 10));
  // One file is new, one differs, and the keytab gets a key more.
  writeFileSync(host.path('krb5.keytab'), keytabOf('HTTP/kdc5.kit.test@KIT.TEST'), { mode: 0o600 });
});
afterEach(() => host.close());

const join1 = () => host.join(file, '--replace');
/** One thread for files: strace counts the calls of each thread by itself. */
const env = { UV_THREADPOOL_SIZE: '1' };
function injecting(...filters: readonly string[]) {
  const strace = ['strace', '-f', '-o', '/dev/null', ...filters, process.execPath];
  return host.run(strace, file, { flags: ['--replace'], env });
}
const inject = (calls: string, what: string) => [
  '-e',
  `trace=${calls}`,
  '-e',
  `inject=${calls}:${what}`,
];
const renames = '?rename,renameat,?renameat2';
const isWhole = (files: Readonly<Record<string, string>>) =>
  files['krb5.conf'] === Buffer.from(conf('\n')).toString('latin1') &&
  ['.k5.KIT.TEST', 'kdc.conf', 'krb5.conf', 'krb5.keytab', 'kpropd.acl'].every(
    (name) => name in files,
  );

test('undisturbed, it writes all, keeps what was there, and is then satisfied', async () => {
  const before = host.files();
  expect(await join1()).toMatchObject({ status: 0, stderr: '' });
  const after = host.files();
  expect(isWhole(after)).toBe(true);
  expect(after['krb5.conf.before-join']).toBe(before['krb5.conf']);
  expect(after['krb5.keytab.before-join']).toBe(before['krb5.keytab']);
  const klist = spawnSync('klist', ['-k', host.path('krb5.keytab')], { encoding: 'utf8' });
  expect(klist.stdout).toMatch(
    /HTTP\/kdc5\.kit\.test@KIT\.TEST\n.*host\/kdc5\.kit\.test@KIT\.TEST/,
  );
  const again = await host.join(file);
  expect(again).toMatchObject({ status: 0, stderr: '' });
  expect(again.stdout).toContain('every file is there already.');
  expect(host.files()).toEqual(after);
});

describe('an error leaves everything as it was:', () => {
  test.each([
    ['the first file cannot be synced', inject('fsync', 'error=EIO:when=1')],
    ['the last file cannot be synced', inject('fsync', 'error=EIO:when=5')],
    ['the first rename', inject(renames, 'error=EIO:when=1')],
    ['a rename in the middle', inject(renames, 'error=EACCES:when=3')],
    ['the last rename', inject(renames, 'error=EIO:when=5')],
    ['no second name', inject('?link,linkat', 'error=EPERM:when=2')],
  ])('%s', async (_, filters) => {
    const before = host.files();
    const { status, stderr } = await injecting(...filters);
    // koffi syncs standard output at the end, which then fails as well, and it says so.
    expect(stderr.replace(/^Error: Failed to sync '<stdout>'.*\n/m, '')).toMatch(
      /^kpropctl: \S+ cannot be written \(E\w+\): nothing was changed\nfix: .+\n$/,
    );
    expect(status).toBe(3);
    expect(host.files()).toEqual(before);
  });
});

describe('a signal is obeyed before all renames, or after them:', () => {
  test.each([
    ...['SIGTERM', 'SIGINT'].map(
      (name) => [name, inject('fsync', `signal=${name}:when=2`), 3] as const,
    ),
    ['SIGTERM', inject(renames, 'signal=SIGTERM:when=2'), 0] as const,
  ])('%s %j', async (name, filters, expected) => {
    const before = host.files();
    const { status, stderr } = await injecting(...filters);
    expect(status).toBe(expected);
    if (expected === 0) expect(isWhole(host.files())).toBe(true);
    else {
      expect(stderr).toContain(`stopped by ${name}: nothing was written`);
      expect(host.files()).toEqual(before);
    }
  });
});

describe('killed, it leaves whole files, and the next join finishes:', () => {
  test.each([
    inject('fsync', 'signal=SIGKILL:when=3'),
    inject(renames, 'signal=SIGKILL:when=1'),
    inject(renames, 'signal=SIGKILL:when=4'),
  ])('%j', async (...filters) => {
    const before = host.files();
    await injecting(...filters);
    const left = host.files();
    for (const [name, text] of Object.entries(before)) {
      const whole = [text, name === 'krb5.conf' ? Buffer.from(conf('\n')).toString('latin1') : ''];
      if (name !== 'krb5.keytab') expect(whole).toContain(left[name]);
    }
    expect(Object.keys(left).some((name) => name.endsWith('.join-new'))).toBe(true);
    expect(await join1()).toMatchObject({ status: 0, stderr: '' });
    expect(isWhole(host.files())).toBe(true);
    expect(Object.keys(host.files()).filter((name) => name.endsWith('.join-new'))).toEqual([]);
  });
});

test('a full disk', async () => {
  const files = new Map([...kit.files, ['krb5.conf', conf(`#${'x'.repeat(60_000)}\n`)] as const]);
  writeFileSync(file, await seal(encodeKit({ ...kit, files }), passphrase, 10));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48k', 'tmpfs', host.etc]);
  expect(mounted.status).toBe(0);
  try {
    const { status, stderr } = await host.join(file);
    expect(stderr).toMatch(
      /krb5\.conf cannot be written \(ENOSPC\): nothing was changed\nfix: make room in/,
    );
    expect(status).toBe(3);
    expect(host.files()).toEqual({});
  } finally {
    spawnSync('umount', [host.etc]);
  }
});

import { chownSync, closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { lockFile } from '../../src/index.ts';
import { nextSteps } from '../src/kit/join-text.ts';
import { encodeKit } from '../src/kit/kit.ts';
import { seal } from '../src/kit/seal.ts';
import { EmptyHost, keytabOf, kitFor, passphrase } from './empty-host.ts';

// What join does with files that are there already, and beside another join.

const kit = kitFor('kdc5.kit.test');
const stash = '.k5.KIT.TEST';
let host: EmptyHost;
let file: string;
beforeEach(async () => {
  host = new EmptyHost('kdc5.kit.test');
  file = join(host.folder, 'kit');
  writeFileSync(file, await seal(encodeKit(kit), passphrase, 10));
});
afterEach(() => host.close());

const modeOf = (name: string) => statSync(host.path(name)).mode & 0o777;
const put = (name: string, content: Uint8Array, mode: number) =>
  writeFileSync(host.path(name), content, { mode });
const inKit = (name: 'stash' | 'krb5.keytab') => kit.files.get(name) as Uint8Array;

test('a secret that others could read: no copy of it stays that they can', async () => {
  put(stash, inKit('stash'), 0o644);
  put('krb5.keytab', keytabOf('HTTP/kdc5.kit.test@KIT.TEST'), 0o644);
  const joined = await host.join(file);
  expect(joined).toMatchObject({ status: 0, stderr: '' });
  expect(joined.stdout).toMatch(/mode of +\S*\.k5\.KIT\.TEST +0600/);
  expect([modeOf(stash), modeOf('krb5.keytab'), modeOf('krb5.keytab.before-join')]).toEqual([
    0o600, 0o600, 0o600,
  ]);
  expect(Object.keys(host.files())).not.toContain(`${stash}.before-join`);
});

test.runIf(process.geteuid?.() === 0)('a stash belongs to root, whoever had it', async () => {
  put(stash, inKit('stash'), 0o600);
  chownSync(host.path(stash), 1234, 1234);
  expect(await host.join(file)).toMatchObject({ status: 0, stderr: '' });
  expect(statSync(host.path(stash))).toMatchObject({ uid: 0, gid: 0 });
});

test('one join at a time, and nothing is left of that', async () => {
  const lock = host.path('.kpropctl-join');
  const fd = openSync(lock, 'w+');
  expect(lockFile(fd, 'exclusive', { wait: false })).toBe(true);
  const before = host.files();
  const refused = await host.join(file);
  expect(refused).toMatchObject({ status: 3, stdout: '' });
  expect(refused.stderr).toContain('another kpropctl join is at work on this host');
  expect(host.files()).toEqual(before);
  // One that was killed leaves the file, which locks nothing.
  closeSync(fd);
  const both = await Promise.all([host.join(file), host.join(file)]);
  expect(both.map(({ status }) => status)).toContain(0);
  const names = ['kdc.conf', 'kpropd.acl', 'krb5.conf', 'krb5.keytab', stash];
  expect(Object.keys(host.files()).sort()).toEqual(names.sort());
});

test('a database that was there before proves nothing, and an ACL that is kept may refuse', () => {
  const common = {
    kit,
    ...{ hasStash: true, hasDatabase: true },
    kpropd: { daemon: 'kpropd', commands: [['kpropd']], by: 'script' },
    kdc: { daemon: 'krb5kdc', commands: [['krb5kdc']], by: 'script' },
    started: { kpropd: true, kdc: true },
  } as const;
  const plan = { steps: [], stash: '' };
  expect(nextSteps({ ...common, plan, hadDatabase: false })).toEqual([]);
  const [run] = nextSteps({ ...common, plan, hadDatabase: true });
  expect(run).toContain('on kdc1.kit.test: kpropctl run kdc5.kit.test');
  const acl = { name: 'kpropd.acl', state: 'kept', path: '/etc/krb5kdc/kpropd.acl' } as const;
  const [line] = nextSteps({ ...common, plan: { steps: [acl] }, hadDatabase: false });
  expect(line).toBe(
    'here, add this line to /etc/krb5kdc/kpropd.acl, or kpropd refuses: host/kdc1.kit.test@KIT.TEST',
  );
});

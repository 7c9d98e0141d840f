import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';
import { decodeKit } from '../src/kit/kit.ts';
import { unseal } from '../src/kit/seal.ts';
import { NewReplica, passphrase } from './new-replica.ts';
import { ControlRealm } from './realm.ts';

// A new replica: what the kit has, what join writes, and a realm that has one replica more.

let realm: ControlRealm;
beforeAll(async () => {
  realm = await ControlRealm.create();
  realm.configure();
  await realm.lab.addPrincipals(['before'], 'pass word');
});
afterAll(() => realm.close());

describe.each(['ours', 'mit'] as const)('with the kpropd of %s', (make) => {
  test('kit, join, run: the replica answers for a principal that was there before it', async () => {
    const replica = await NewReplica.create(realm);
    const kit = await replica.kit('--with-stash');
    expect(kit.status, kit.stderr).toBe(0);
    const joined = await replica.join('--keep');
    expect(joined).toMatchObject({ status: 0, stderr: '' });
    expect(joined.stdout).toMatch(/^ {2}new .*\/krb5\.keytab +0600 +root +1 key of host/m);
    expect(replica.modeOf(replica.site.keytab)).toBe('600');
    expect(replica.modeOf(replica.site.stash)).toBe('600');
    expect(replica.modeOf(replica.site.acl)).toBe('644');
    await replica.start(make);
    const run = replica.run();
    await replica.startKdcAfterFirst();
    const { status, stdout } = await run;
    expect(stdout).toMatch(/live/);
    expect(status).toBe(0);
    expect(await replica.kinit('before', 'pass word')).toMatchObject({ status: 0 });
  });
});

const open = async ({ kitFile }: NewReplica) =>
  decodeKit(await unseal(readFileSync(kitFile), passphrase));
const keytabIn = async (replica: NewReplica) =>
  Buffer.from((await open(replica)).files.get('krb5.keytab') ?? []).toString('hex');

test('a kit holds what is asked for, and changes a key only if told to', async () => {
  const replica = await NewReplica.create(realm);
  const first = await replica.kit();
  expect(first.stderr).toMatch(/^host\/127\.0\.0\.\d+@LAB\.EXAMPLE was made, with a random key$/m);
  expect(first.stderr).toMatch(/^without the stash of the master key/m);
  expect(first.stderr).not.toContain(passphrase);
  const kit = await open(replica);
  expect([...kit.files.keys()].sort()).toEqual(
    ['kdc.conf', 'kpropd.acl', 'krb5.conf', 'krb5.keytab'].sort(),
  );
  expect(`${Buffer.from(kit.files.get('kpropd.acl') ?? [])}`).toBe(`${realm.lab.client}\n`);
  const keytab = await keytabIn(replica);
  expect((await replica.kit()).stderr).toContain('was used as it is');
  // Entries begin with the time of ktadd; the key is behind it.
  expect((await keytabIn(replica)).slice(-72)).toBe(keytab.slice(-72));
  expect((await replica.kit('--new-key')).stderr).toContain('was given a new key');
  expect((await keytabIn(replica)).slice(-72)).not.toBe(keytab.slice(-72));
  expect(readdirSync(realm.state).filter((name) => name.startsWith('kit.'))).toEqual([]);

  const joined = await replica.join('--keep');
  expect(joined.stdout).toMatch(/kdb5_util stash +\(without it krb5kdc cannot start\)/);
});

test('includes become one file that means the same', async () => {
  const replica = await NewReplica.create(realm);
  const { krb5Conf } = realm.lab.primary;
  const before = readFileSync(krb5Conf, 'utf8');
  writeFileSync(`${krb5Conf}.more`, '[libdefaults]\n  ticket_lifetime = 3h\n');
  writeFileSync(krb5Conf, `include ${krb5Conf}.more\n${before}`);
  try {
    expect((await replica.kit()).status).toBe(0);
    const text = `${Buffer.from((await open(replica)).files.get('krb5.conf') ?? [])}`;
    expect(text).not.toContain('include');
    expect(text).toContain('ticket_lifetime = 3h');
    expect(text).toContain('default_realm = LAB.EXAMPLE');
  } finally {
    writeFileSync(krb5Conf, before);
  }
});

test('a kit that cannot be made changes no key', async () => {
  const replica = await NewReplica.create(realm);
  expect((await replica.kit()).status).toBe(0);
  const { krb5Conf } = realm.lab.primary;
  const before = readFileSync(krb5Conf, 'utf8');
  const version = async () =>
    (await realm.lab.kadminLocal('primary', `getprinc host/${replica.host}`)).stdout.match(
      /Key: vno \d+/,
    )?.[0];
  const known = await version();
  writeFileSync(krb5Conf, `${before}\n#${'x'.repeat(300_000)}\n`);
  const refused = await replica.kit('--new-key');
  writeFileSync(krb5Conf, before);
  expect(refused).toMatchObject({ status: 3 });
  expect(refused.stderr).toContain('krb5.conf has 3');
  expect(await version()).toBe(known);
});

test('a principal whose policy is gone is there all the same', async () => {
  const replica = await NewReplica.create(realm);
  const name = `host/${replica.host}`;
  await realm.kadminLocal([
    'addpol once',
    `addprinc -randkey -policy once ${name}`,
    'delpol -force once',
  ]);
  expect(await replica.kit()).toMatchObject({ status: 0 });
});

test('a kit for which there is no room is an error, and a host that no run will reach is told', async () => {
  const replica = await NewReplica.create(realm);
  const kit = `${process.execPath} ${control} kit 127.0.0.98 --with-stash --config ${realm.config} --passphrase-file ${replica.passphraseFile}`;
  const whole = await realm.lab.run('/bin/sh', ['-c', `${kit} > ${replica.kitFile}`]);
  expect(whole).toMatchObject({ status: 0 });
  expect(whole.stderr).toContain(`add to [replicas] in ${realm.config}: 127.0.0.98 = { }`);
  const script = `mount -t tmpfs -o size=4096 tmpfs "$1" && head -c 3000 /dev/zero > "$1/kit" && ${kit} --new-key >> "$1/kit"`;
  const folder = join(realm.lab.folder, 'small');
  mkdirSync(folder);
  const cut = await realm.lab.run('unshare', ['--mount', 'sh', '-c', script, 'sh', folder]);
  expect(cut).toMatchObject({ status: 3 });
  expect(cut.stderr).toMatch(
    /the kit was not written \(ENOSPC\), and host\S+ has a new key already/,
  );
});

const control = join(packageRoot, 'kpropctl/dist/main.js');

test('no kit elsewhere than on the primary, for this host itself, or to a terminal', async () => {
  const replica = await NewReplica.create(realm);
  realm.configure({ primary: 'elsewhere' });
  const elsewhere = await replica.kit();
  realm.configure();
  expect(elsewhere).toMatchObject({ status: 5, stdout: '' });
  expect(statSync(replica.kitFile).size).toBe(0);
  const own = await realm.lab.run(process.execPath, [control, 'kit', realm.lab.host]);
  expect(own.status).toBe(78);
  const bad = await realm.run('kit', 'a"b', '--passphrase-file', replica.passphraseFile);
  expect(bad).toMatchObject({ status: 3, stdout: '' });
  expect(bad.stderr).toContain('is no host name');
  const terminal = onTerminal(
    `${process.execPath} ${control} kit --config ${realm.config} kdc9`,
    [],
  );
  expect((await terminal).screen).toContain('a kit is not for a terminal');
});

test('the passphrase is shown once, asked for without an echo, and opens the kit with age', async () => {
  const replica = await NewReplica.create(realm);
  const { kitFile, host } = replica;
  const made = await onTerminal(
    `${process.execPath} ${control} kit ${host} --config ${realm.config} >${kitFile}`,
    [],
  );
  const shown = /^passphrase: (\S+) /m.exec(made.screen)?.[1] ?? '';
  expect(shown).toMatch(/^[0-9a-z]{5}(-[0-9a-z]{5}){4}$/);

  const opened = await onTerminal(`age --decrypt --output ${kitFile}.json ${kitFile}`, [
    ['assphrase', shown],
  ]);
  expect(opened.status, opened.screen).toBe(0);
  expect(JSON.parse(readFileSync(`${kitFile}.json`, 'utf8'))).toMatchObject({ host });

  const line = `unshare --pid --fork --mount-proc ${process.execPath} ${control} join ${kitFile} --host ${host} --keep --no-start`;
  const env = replica.site.env();
  const no = await onTerminal(
    line,
    [
      ['passphrase of', shown],
      ['[y/N]', 'n'],
    ],
    env,
  );
  expect(no.screen).toContain('nothing was written, as you wished');
  expect(no.status).toBe(3);
  const late = await onTerminal(
    line,
    [
      ['passphrase of', shown],
      [
        '[y/N]',
        () => {
          writeFileSync(replica.site.acl, 'host/another@LAB.EXAMPLE\n');
          return 'y';
        },
      ],
    ],
    env,
  );
  expect(late.screen).toContain('a file was changed after the plan was made; nothing was written');
  expect(late.status).toBe(3);
  expect(readFileSync(replica.site.acl, 'utf8')).toBe('host/another@LAB.EXAMPLE\n');
  rmSync(replica.site.acl);
  const yes = await onTerminal(
    line,
    [
      ['passphrase of', shown],
      ['[y/N]', 'y'],
    ],
    env,
  );
  expect(yes.status, yes.screen).toBe(0);
  expect(yes.screen).toContain('wrote ');
  for (const { screen } of [no, yes]) expect(screen).not.toContain(shown);
});

/** A command on a terminal of its own: each question, and what is typed once it is there. */
async function onTerminal(
  line: string,
  answers: readonly (readonly [question: string, answer: string | (() => string)])[],
  env: NodeJS.ProcessEnv = realm.lab.env('primary'),
): Promise<{ readonly screen: string; readonly status: number | null }> {
  const child = spawn('script', ['-qec', line, '/dev/null'], { env });
  let screen = '';
  let seen = 0;
  const open = [...answers];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    const [next] = open;
    const at = next === undefined ? -1 : screen.indexOf(next[0], seen);
    if (next === undefined || at === -1) return;
    seen = at + next[0].length;
    open.shift();
    const answer = typeof next[1] === 'string' ? next[1] : next[1]();
    child.stdin.write(`${answer}\r`);
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { screen: screen.replaceAll('\r', ''), status };
}

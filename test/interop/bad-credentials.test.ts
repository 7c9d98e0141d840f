import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { bothFail, bothFailUnder, boundByModes, type Failure } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd, KpropOptions } from '../support/lab/lab-options.ts';
import { succeeded } from '../support/lab/pairings.ts';

let lab: Lab;
let kpropd: Kpropd;
const path = (name: string) => join(lab.primary.folder, name);
const written = (name: string, text: string, mode = 0o600) => {
  writeFileSync(path(name), text, { mode });
  return path(name);
};
const admin = (query: string) => lab.kadminLocal('primary', query);

/** What fails before anybody connects to the replica. */
async function failsAlone(o: Partial<KpropOptions> = {}): Promise<Failure> {
  const failure = await bothFail(lab, { port: kpropd.port, ...o });
  expect(kpropd.stderr).not.toContain('Connection from');
  return failure;
}

function expectAlike({ ours, mit }: Failure, text: string): void {
  expect(mit).toEqual([`kprop: ${text}`]);
  expect(ours).toEqual(mit);
}

beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
  kpropd = await lab.startOurKpropd();
});
afterAll(() => lab.close());

test('no keytab, by -s or by KRB5_KTNAME', async () => {
  const missing = path('missing.keytab');
  const text = 'No such file or directory while getting initial credentials';
  for (const o of [{ args: ['-s', missing] }, { env: { KRB5_KTNAME: `FILE:${missing}` } }]) {
    const failure = await failsAlone(o);
    expectAlike(failure, text);
    expect(failure.advice).toMatch(/missing\.keytab.*ktadd/);
  }
});

test.each([
  ['of garbage', 'garbage'],
  ['without a byte', ''],
])('a keytab %s', async (_, text) => {
  const failure = await failsAlone({ args: ['-s', written('garbage.keytab', text)] });
  expectAlike(
    failure,
    'Unsupported key table format version number while getting initial credentials',
  );
  expect(failure.advice).toMatch(/garbage\.keytab is not a keytab.*ktadd/);
});

test('a keytab that may not be read', async () => {
  const args = ['-s', written('secret.keytab', '\x05\x02', 0)];
  const failure = await bothFailUnder(lab, boundByModes, { port: kpropd.port, args });
  expectAlike(failure, 'Permission denied while getting initial credentials');
  expect(failure.advice).toMatch(/may not read \S+secret\.keytab/);
});

test('a keytab name of an unknown type, by -s and by KRB5_KTNAME', async () => {
  const given = await failsAlone({ args: ['-s', 'BOGUS:x'] });
  expectAlike(given, 'Unknown Key table type while resolving keytab');
  expect(given.advice).toMatch(/"BOGUS:x".*FILE:/);
  const inherited = await failsAlone({ env: { KRB5_KTNAME: 'BOGUS:x' } });
  expectAlike(inherited, 'Unknown Key table type while getting initial credentials');
  expect(inherited.advice).toBe(given.advice);
});

test('a keytab without our own key, and one in memory', async () => {
  const other = path('other.keytab');
  await admin(`ktadd -norandkey -k ${other} host/localhost`);
  for (const name of [other, 'MEMORY:x']) {
    const failure = await failsAlone({ args: ['-s', name] });
    expectAlike(failure, 'Key table entry not found while getting initial credentials');
    expect(failure.advice).toContain(
      name === other
        ? `${other} holds host/localhost@${lab.realm}, but this host is ${lab.host}`
        : `${name} holds no key at all, and this host is ${lab.client}`,
    );
    expect(failure.advice).toContain('kadmin -q "ktadd -k ');
  }
});

test('a key of another version in the keytab serves: the KDC does not say which it used', async () => {
  const bytes = readFileSync(lab.primary.keytab);
  const { stdout } = await lab.run('klist', ['-k', lab.primary.keytab]);
  const kvno = Number(/^ +(\d+) host/m.exec(stdout)?.[1]);
  // The last field of the only entry, 32 bits; the 8 bits of old stand before the key.
  expect(bytes.readUInt32BE(bytes.length - 4)).toBe(kvno);
  bytes.writeUInt32BE(77, bytes.length - 4);
  writeFileSync(path('kvno.keytab'), bytes, { mode: 0o600 });
  const o = { port: kpropd.port, args: ['-s', path('kvno.keytab')] };
  const server = await lab.startMitKpropd();
  // One after the other: both kpropds have one spool file.
  expect(await lab.mitKprop(o)).toMatchObject(succeeded());
  expect(await lab.ourKprop({ ...o, port: server.port })).toMatchObject(succeeded());
  await server.stop();
});

test('a stale key, with and without preauthentication', async () => {
  copyFileSync(lab.primary.keytab, path('stale.keytab'));
  rmSync(lab.primary.keytab);
  await admin(`ktadd -k ${lab.primary.keytab} host/${lab.host}`);
  const server = await lab.startOurKpropd();
  const o = { port: server.port, args: ['-s', path('stale.keytab')] };

  const plain = await bothFail(lab, o);
  expectAlike(plain, 'Decrypt integrity check failed while getting initial credentials');

  await admin(`modprinc +requires_preauth host/${lab.host}`);
  const preauth = await bothFail(lab, o);
  expectAlike(preauth, 'Preauthentication failed while getting initial credentials');
  expect(preauth.advice).toMatch(
    /key of \S+ in \S+stale\.keytab is not .* KDC has fix: run `kadmin -q "ktremove -k \S+ \S+ all"`, then `kadmin -q "ktadd -k /,
  );
  await admin(`modprinc -requires_preauth host/${lab.host}`);

  expect(await lab.ourKprop({ port: server.port })).toMatchObject(succeeded());
  await server.stop();
});

test.each([
  ['-expire yesterday', '-expire never', 'own', "Client's entry in database has expired"],
  ['-pwexpire yesterday', '-pwexpire never', 'own', 'Password has expired'],
  ['-allow_tix', '+allow_tix', 'own', "Client's credentials have been revoked"],
  ['-expire yesterday', '-expire never', 'replica', "Server's entry in database has expired"],
  ['-allow_tix', '+allow_tix', 'replica', 'Server not found in Kerberos database'],
  ['-allow_svr', '+allow_svr', 'replica', 'Server principal valid for user2user only'],
])('modprinc %s, against %s, of the %s principal', async (set, unset, whose, text) => {
  const name = `host/${whose === 'own' ? lab.host : '127.0.0.1'}`;
  const server = await lab.startMitKpropd();
  await admin(`modprinc ${set} ${name}`);
  const failure = await bothFail(lab, { port: server.port });
  await admin(`modprinc ${unset} ${name}`);
  await server.stop();
  expectAlike(failure, `${text} while getting initial credentials`);
  expect(failure.advice).toContain(`${name}@${lab.realm}`);
  expect(failure.advice).toMatch(/fix: run `kadmin -q "modprinc [+-]/);
});

test('a replica whose principal the KDC does not know', async () => {
  const failure = await bothFail(lab, { port: kpropd.port, host: '127.0.0.2' });
  expectAlike(failure, 'Server not found in Kerberos database while getting initial credentials');
  expect(failure.advice).toMatch(/host\/127\.0\.0\.2@LAB\.EXAMPLE.*addprinc -randkey/);
});

test('both a keytab that is missing and a dump that is missing: the keytab comes first', async () => {
  const o = { port: kpropd.port, args: ['-s', path('missing.keytab')], file: path('missing.dump') };
  const failure = await bothFail(lab, o);
  expectAlike(failure, 'No such file or directory while getting initial credentials');
});

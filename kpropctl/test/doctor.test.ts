import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { Diagnosis, Finding } from '../src/doctor/finding.ts';
import { ControlRealm, type Replica } from './realm.ts';

// What is broken on purpose is found, with the fix; what is sound is not complained about.

let realm: ControlRealm;
let ours: Replica;
let mit: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  ours = await realm.addReplica('ours');
  mit = await realm.addReplica('mit');
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(() => realm.close());
beforeEach(() => realm.configure());

async function diagnose(...args: readonly string[]): Promise<Diagnosis> {
  const { stdout, stderr } = await realm.run('doctor', '--json', ...args);
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const wrong = ({ findings }: Diagnosis): readonly Finding[] =>
  findings.filter(({ state }) => state !== 'ok');

test('a sound realm: nothing to complain about', async () => {
  await realm.run('run');
  const diagnosis = await diagnose();
  expect(wrong(diagnosis)).toEqual([]);
  expect(diagnosis.exit).toBe(0);
  const checks = (on: string) =>
    diagnosis.findings.filter((one) => one.on === on).map(({ check }) => check);
  expect(checks('here')).toEqual(['role', 'key', 'dump']);
  for (const { host } of realm.replicas) {
    expect(checks(host)).toEqual(['name', 'port', 'principal', 'ACL', 'clock', 'generation']);
  }
  const { stdout, status } = await realm.run('doctor');
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /\(here\)\n {2}✓ this is a primary[\s\S]*127\.0\.0\.12\n {2}✓ name: [\s\S]*no problems\.\n$/,
  );
});

test('it changes nothing, and a propagation passes right after it', async () => {
  const before = await Promise.all(realm.replicas.map(({ site }) => realm.dumpOf(site)));
  await diagnose();
  expect(await Promise.all(realm.replicas.map(({ site }) => realm.dumpOf(site)))).toEqual(before);
  expect((await realm.run('run')).status).toBe(0);
});

interface Breakage {
  readonly break: () => Promise<unknown> | unknown;
  readonly mend: () => Promise<unknown> | unknown;
  readonly on: () => string;
  readonly check: string;
  readonly what: RegExp;
  readonly fix: RegExp;
  readonly state?: Finding['state'];
}

const acl = (replica: () => Replica, text: string) => () => writeFileSync(replica().site.acl, text);
const rightAcl = (replica: () => Replica) => () =>
  writeFileSync(replica().site.acl, `${realm.lab.client}\n`);

const breakages: Readonly<Record<string, Breakage>> = {
  'the ACL of ours lacks this host': {
    break: acl(() => ours, 'host/other@LAB.EXAMPLE\n'),
    mend: rightAcl(() => ours),
    ...{ on: () => ours.host, check: 'ACL' },
    ...{ what: /not authorized to propagate/, fix: /add this host's principal to kpropd\.acl/ },
  },
  "the ACL of MIT's lacks this host": {
    break: acl(() => mit, ''),
    mend: rightAcl(() => mit),
    ...{ on: () => mit.host, check: 'ACL' },
    ...{ what: /closed the connection without a word/, fix: /kpropd\.acl/ },
  },
  'kpropd is down': {
    break: () => ours.kpropd?.stop(),
    mend: () => realm.startKpropd(ours, 'ours'),
    ...{ on: () => ours.host, check: 'port' },
    ...{ what: /ECONNREFUSED/, fix: /start kpropd on 127\.0\.0\.11/ },
  },
  "the replica's key was changed in the KDC": {
    break: () => realm.kadminLocal([`cpw -randkey host/${mit.host}`]),
    mend: async () => {
      rmSync(mit.site.keytab);
      await realm.kadminLocal([`ktadd -norandkey -k ${mit.site.keytab} host/${mit.host}`]);
    },
    ...{ on: () => mit.host, check: 'ACL' },
    ...{ what: /./, fix: /./ },
  },
  'the replica has no host principal': {
    break: () => realm.kadminLocal([`renprinc -force host/${ours.host} host/elsewhere`]),
    mend: () => realm.kadminLocal([`renprinc -force host/elsewhere host/${ours.host}`]),
    ...{ on: () => ours.host, check: 'principal' },
    ...{ what: /Server not found in Kerberos database/, fix: /addprinc -randkey/ },
  },
  'the key of this host was changed in the KDC': {
    break: () => realm.kadminLocal([`cpw -randkey ${realm.lab.client}`]),
    mend: async () => {
      rmSync(realm.lab.primary.keytab);
      await realm.kadminLocal([
        `ktadd -norandkey -k ${realm.lab.primary.keytab} ${realm.lab.client}`,
      ]);
      // The replicas' KDCs, which are asked with that key, learn of it by a propagation.
      await realm.run('run');
    },
    ...{ on: () => 'here', check: 'key' },
    ...{ what: /./, fix: /ktadd/ },
  },
  'this is said not to be the primary': {
    break: () => realm.configure({ primary: 'other.example' }),
    mend: () => realm.configure(),
    ...{ on: () => 'here', check: 'role' },
    ...{ what: /primary in .* is other\.example/, fix: /run kpropctl there/ },
  },
  'there is no dump': {
    break: () => rmSync(join(realm.lab.primary.folder, 'to-send')),
    mend: () => realm.run('run'),
    ...{ on: () => 'here', check: 'dump', state: 'warning' },
    ...{ what: /no dump yet/, fix: /kpropctl run/ },
  },
  'the dump is not whole': {
    break: () =>
      writeFileSync(
        join(realm.lab.primary.folder, 'to-send'),
        'kdb5_util load_dump version 7\nprinc\t',
      ),
    mend: () => realm.run('run'),
    ...{ on: () => 'here', check: 'dump' },
    ...{ what: /not whole/, fix: /kpropctl run/ },
  },
  'a replica was restored from an old dump': {
    break: async () => {
      const old = await realm.lab.dump(join(realm.lab.folder, 'old'));
      await realm.lab.addPrincipals(['doctored']);
      await realm.run('run');
      await realm.lab.run('/usr/sbin/kdb5_util', ['load', old], { env: mit.site.env() });
    },
    mend: () => realm.run('run'),
    ...{ on: () => mit.host, check: 'generation' },
    ...{ what: /has generation \d+ instead of \d+/, fix: /kpropctl run 127\.0\.0\.12/ },
  },
  'the KDC of a replica is down': {
    break: () => ours.kdc?.stop(),
    mend: () => realm.startKdc(ours),
    ...{ on: () => ours.host, check: 'generation', state: 'unknown' },
    ...{ what: /could not be asked/, fix: /^$/ },
  },
  'the clock of a replica is an hour ahead': {
    break: async () => {
      await ours.kpropd?.stop();
      await realm.startKpropd(ours, 'ours', [], realm.clockOff(3_600_000));
    },
    mend: async () => {
      await ours.kpropd?.stop();
      await realm.startKpropd(ours, 'ours');
    },
    ...{ on: () => ours.host, check: 'ACL' },
    ...{ what: /[Cc]lock skew/, fix: /clock|time/ },
  },
};

describe('a breakage', () => {
  test.each(Object.keys(breakages))('%s', async (name) => {
    const breakage = breakages[name] as Breakage;
    await breakage.break();
    try {
      const diagnosis = await diagnose();
      const found = wrong(diagnosis).find(
        ({ on, check }) => on === breakage.on() && check === breakage.check,
      );
      expect(found, JSON.stringify(wrong(diagnosis))).toMatchObject({
        state: breakage.state ?? 'failure',
        what: expect.stringMatching(breakage.what),
        fix: expect.stringMatching(breakage.fix),
      });
      expect(diagnosis.exit).toBe((breakage.state ?? 'failure') === 'failure' ? 2 : 1);
    } finally {
      await breakage.mend();
    }
    expect(wrong(await diagnose())).toEqual([]);
  });
});

test('a name that does not resolve, of the command line', async () => {
  const diagnosis = await diagnose('nowhere.invalid');
  expect(wrong(diagnosis)).toContainEqual(
    expect.objectContaining({
      on: 'nowhere.invalid',
      check: 'name',
      fix: expect.stringContaining('getent hosts'),
    }),
  );
});

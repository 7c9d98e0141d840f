import { existsSync, renameSync, writeFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Diagnosis, Finding } from '../src/doctor/finding.ts';
import { breakagesOf } from './breakages.ts';
import { type Follower, followerOf } from './follow.ts';
import { ControlRealm, program, type Replica } from './realm.ts';
import { validator } from './schema.ts';

// What is broken on purpose is found, and is sound again once the fix was followed to the letter.

let realm: ControlRealm;
let replicas: { readonly ours: Replica; readonly mit: Replica };
let follower: Follower;
beforeAll(async () => {
  realm = await ControlRealm.create();
  replicas = { ours: await realm.addReplica('ours'), mit: await realm.addReplica('mit') };
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
  const commands = { 'kpropctl doctor --here': mendThere };
  follower = followerOf(realm, { units: startUnit, commands });
});
afterAll(() => realm.close());

async function startUnit(host: string, unit: string): Promise<unknown> {
  const replica = realm.replicas.find((one) => one.host === host);
  if (unit === 'krb5-kdc') {
    await replica?.kdc?.stop('SIGKILL');
    return replica === undefined ? realm.lab.startKdc('primary') : realm.startKdc(replica);
  }
  if (unit !== 'krb5-kpropd' || replica === undefined) throw new Error(`${unit} of ${host}`);
  await replica.kpropd?.stop('SIGKILL');
  return realm.startKpropd(replica, replica === replicas.ours ? 'ours' : 'mit');
}

/** Looks at a replica from its own side, and mends what is said to be wrong there. */
async function mendThere(host: string): Promise<void> {
  const { site, kpropPort } = realm.replicas.find((one) => one.host === host) as Replica;
  const kpropd = `-P ${kpropPort} -a ${site.acl} -f ${site.fromMaster}`;
  const args = [program, 'doctor', '--here', '--json', '--kpropd', kpropd];
  const { stdout } = await realm.lab.run(process.execPath, args, { env: site.env() });
  const { findings }: Diagnosis = JSON.parse(stdout);
  const wrongThere = findings.filter(({ state }) => state !== 'ok').map(({ check }) => check);
  if (existsSync(`${site.keytab}.away`)) {
    expect(wrongThere).toContain('keytab');
    renameSync(`${site.keytab}.away`, site.keytab);
  } else {
    expect(wrongThere).toContain('ACL');
    writeFileSync(site.acl, `${realm.lab.client}\n`);
  }
}

const asPublished = validator('doctor-1');

async function wrong(): Promise<readonly Finding[]> {
  const { stdout, stderr, status } = await realm.run('doctor', '--json');
  expect(stderr).toBe('');
  const diagnosis: Diagnosis = JSON.parse(stdout);
  asPublished(diagnosis);
  const { findings, exit } = diagnosis;
  expect(status).toBe(exit);
  return findings.filter(({ state }) => state !== 'ok');
}

/** Names alone: the realm that they are about is made later. */
const names = Object.keys(
  breakagesOf({ lab: { primary: { folder: '', keytab: '', krb5Conf: '' } } } as never, {
    ours: { site: {} } as never,
    mit: { site: {} } as never,
  }),
);

describe('a breakage', () => {
  test.each(names)('%s', async (name) => {
    const breakage = breakagesOf(realm, replicas)[name];
    if (breakage === undefined) throw new Error(name);
    const { on, check, what, fix, state = 'failure' } = breakage;
    await breakage.break();
    const findings = await wrong();
    const found = findings.find((one) => one.on === on && one.check === check);
    expect(found, JSON.stringify(findings)).toMatchObject({
      state,
      what: expect.stringMatching(what),
      fix: expect.stringMatching(fix),
    });
    // One cause, one fix: what follows from it says so, and no more.
    const fixes = findings.map((one) => one.fix.replace(/(?<=kpropctl run) 127\S+/, ''));
    expect(new Set(fixes.filter((one) => one !== '')).size, JSON.stringify(findings)).toBe(1);
    await follower.follow(found?.fix ?? '');
    expect(await wrong()).toEqual([]);
  });
});

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Status } from '../src/status/snapshot.ts';
import { ControlRealm, type Replica } from './realm.ts';

// A week's accidents in minutes: a primary and five replicas, ours and MIT's. After each step the status
// has to say the truth, which is what kdb5_util dumps on every replica.

let realm: ControlRealm;
let disk: string;
beforeAll(async () => {
  realm = await ControlRealm.create();
  await realm.addReplica('ours');
  await realm.addReplica('mit');
  await realm.addReplica('ours', { args: ['--load=native', '--verify=never'] });
  await realm.addReplica('mit');
  await realm.addReplica('ours', { args: ['--load=kdb5_util'] });
  realm.configure({
    crit_after: '1s',
    warn_after: '0',
    on_failure: `echo failure >> ${alarms()}`,
    on_recovery: `echo recovery >> ${alarms()}`,
  });
  writeFileSync(alarms(), '');
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(async () => {
  if (disk !== undefined) await realm.lab.run('umount', ['-l', disk]);
  await realm.close();
});

const alarms = () => join(realm.lab.folder, 'alarms');
let changes = 0;

/** Changes the database, propagates, and holds the status against the truth. */
async function propagate(expected: {
  readonly exit: number;
  readonly failing?: readonly Replica[];
}): Promise<Status> {
  changes += 1;
  await realm.lab.addPrincipals([`change-${changes}`]);
  const { status, stdout, stderr } = await realm.run('run');
  expect(status, stdout + stderr).toBe(expected.exit);
  const truth = await realm.dumpOf(realm.lab.primary);
  const told: Status = JSON.parse((await realm.run('status', '--probe', '--json')).stdout);
  for (const replica of realm.replicas) {
    const known = told.replicas.find(({ host }) => host === replica.host);
    const isInStep = (await realm.dumpOf(replica.site)) === truth;
    const fails = expected.failing?.includes(replica) === true;
    expect(isInStep, replica.host).toBe(!fails);
    expect(known?.state, replica.host).toBe(fails ? 'failing' : 'ok');
    expect(known?.behindMillis === 0, replica.host).toBe(isInStep);
    if (fails) {
      expect(known?.has ?? 0).toBeLessThan(told.dump?.generation ?? 0);
      expect(known?.error?.remedy.length).toBeGreaterThan(10);
    }
  }
  return told;
}

test('from one accident to the next, and in the end all are in step', {
  timeout: 180_000,
}, async () => {
  const [first, second, third, fourth, fifth] = realm.replicas as [
    Replica,
    Replica,
    Replica,
    Replica,
    Replica,
  ];
  await propagate({ exit: 0 });

  // A replica is down.
  await second.kpropd?.stop();
  await propagate({ exit: 1, failing: [second] });
  await propagate({ exit: 1, failing: [second] });
  await realm.startKpropd(second, 'mit');
  await propagate({ exit: 0 });

  // The ACLs of two were edited.
  for (const { site } of [first, fourth]) writeFileSync(site.acl, 'host/other@LAB.EXAMPLE\n');
  const denied = await propagate({ exit: 1, failing: [first, fourth] });
  // Ours says why; MIT's hangs up.
  expect(denied.replicas[0]?.error?.message).toContain('not authorized');
  for (const { site } of [first, fourth]) writeFileSync(site.acl, `${realm.lab.client}\n`);

  // The key of one was changed in the KDC, and not in its keytab.
  await realm.kadminLocal([`cpw -randkey host/${fifth.host}`]);
  await propagate({ exit: 1, failing: [fifth] });
  rmSync(fifth.site.keytab);
  await realm.kadminLocal([`ktadd -norandkey -k ${fifth.site.keytab} host/${fifth.host}`]);
  await propagate({ exit: 0 });

  // The clock of one is an hour ahead.
  await fifth.kpropd?.stop();
  await realm.startKpropd(fifth, 'ours', ['--load=kdb5_util'], realm.clockOff(3_600_000));
  const skewed = await propagate({ exit: 1, failing: [fifth] });
  expect(skewed.replicas[4]?.error?.message).toMatch(/[Cc]lock/);
  await fifth.kpropd?.stop();
  await realm.startKpropd(fifth, 'ours', ['--load=kdb5_util']);
  await propagate({ exit: 0 });

  // The disk of one is full.
  disk = join(third.site.folder, 'disk');
  mkdirSync(disk);
  await realm.lab.run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(60_000));
  await third.kpropd?.stop();
  await realm.startKpropd(third, 'ours', [
    '--load=native',
    '--verify=never',
    '-f',
    join(disk, 'spool'),
  ]);
  await propagate({ exit: 1, failing: [third] });
  rmSync(join(disk, 'ballast'));
  await propagate({ exit: 0 });

  // The primary was demoted: nothing is sent.
  expect((await realm.runAlone('run')).status).toBe(5);

  // Half of the database is gone: nothing is sent, and the replicas keep what they have.
  const good = await realm.lab.dump(join(realm.lab.folder, 'good'));
  const before = await realm.dumpOf(first.site);
  await realm.kadminLocal(Array.from({ length: 8 }, (_, at) => `delprinc -force change-${at + 1}`));
  expect((await realm.run('run')).status).toBe(3);
  for (const { site } of realm.replicas) expect(await realm.dumpOf(site)).toBe(before);
  await realm.lab.load(good, 'primary');

  // Its KDC does not answer: what was confirmed is shown, and not called proved.
  await fourth.kdc?.stop();
  const unasked = await realm.run('run');
  expect(unasked.status, unasked.stdout).toBe(0);
  expect(unasked.stdout).toMatch(/127\.0\.0\.14 {2}loaded .*could not be asked/);
  expect((await realm.run('status')).stdout).toMatch(/127\.0\.0\.14 +ok +\d+\? /);
  await realm.startKdc(fourth);

  const end = await propagate({ exit: 0 });
  expect(end.replicas.every(({ state, proved }) => state === 'ok' && proved)).toBe(true);
  expect((await realm.run('status', '--nagios')).status).toBe(0);
  // As often as something failed, and once after each time that it was mended.
  const told = readFileSync(alarms(), 'utf8').trimEnd().split('\n');
  expect(told.filter((line) => line === 'recovery')).toHaveLength(5);
  expect(told.at(-1)).toBe('recovery');
});

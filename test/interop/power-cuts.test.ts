import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Db2Files } from '../../src/server/load/live-files.ts';
import { comparable, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';
import { PowerCuts, powerCutTrace } from '../support/lab/power-cut.ts';
import { kdb5Util, ReplicaRig } from '../support/rig/replica-rig.ts';
import { seededRandom } from '../support/wire/seeded-random.ts';

// A propagation is recorded, system call by system call. Then the power is cut after any of them, and
// the next kpropd must find the old database or the new one; once it was confirmed, the new one.
// POWER_CUTS=300 npx vitest run test/interop/power-cuts.test.ts; POWER_SEED repeats a run's choices.

const cuts = Number(process.env.POWER_CUTS ?? 16);
const seed = Number(process.env.POWER_SEED ?? Math.floor(Math.random() * 2 ** 31));

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

/** A propagation of `other` over `good`, step by step, and the folder of its database. */
async function record(load: 'streamed' | 'native'): Promise<PowerCuts> {
  const folder = join(rig.lab.replica.folder, `db-${load}`);
  mkdirSync(folder);
  const database = join(folder, 'principal');
  await must(['load', '-d', database, rig.good]);
  const before = new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))] as const),
  );
  const log = join(rig.lab.replica.folder, `strace-${load}.log`);
  const port = await freePort();
  const { acl, fromMaster } = rig.lab.replica;
  const args = ['-d', '-t', '-P', `${port}`, '-a', acl, '-f', fromMaster, '-F', database];
  const kpropd = rig.lab.start(
    'strace',
    [
      ...['-o', log, ...powerCutTrace],
      process.execPath,
      ourProgram('kpropd'),
      ...args,
      `--load=${load}`,
    ],
    { role: 'replica' },
  );
  await kpropd.until(() => kpropd.stdout.includes('ready'), 'kpropd under strace');
  await rig.send(port, { limits: { confirmMillis: 60_000 } });
  await kpropd.ended;
  return new PowerCuts(log, folder, before);
}

describe.each(['streamed', 'native'] as const)('a dump that is loaded %s', (load) => {
  let recorded: PowerCuts;
  beforeAll(async () => {
    recorded = await record(load);
  });
  const name = (part = '') =>
    load === 'native' ? `.new-[^.]*${part.replace('.', '\\.')}` : `~${part}`;
  const fresh = (part?: string) => new RegExp(`^principal${name(part)}$`);

  test('what is confirmed is on the disk, and what it replaces was kept there before', () => {
    const { steps, lastSent } = recorded;
    const at = (call: string, name: string | RegExp, from = 0) =>
      steps.findIndex(
        (step, index) =>
          index >= from &&
          step.call === call &&
          (typeof name === 'string'
            ? basename(step.path) === name
            : name.test(basename(step.path))),
      );
    const promoted = at('rename', fresh());
    expect(promoted).toBeGreaterThan(0);
    if (load === 'native') {
      for (const part of ['', '.kadm5']) {
        const synced = at('fsync', fresh(part));
        expect(synced).toBeGreaterThan(0);
        expect(synced).toBeLessThan(promoted);
        expect(at('write', fresh(part), synced)).toBe(-1);
      }
      const forGood = at('fsync', 'db-native', promoted);
      expect(forGood).toBeGreaterThan(promoted);
      expect(forGood).toBeLessThan(lastSent);
      expect(at('link', 'principal')).toBeLessThan(promoted);
      return;
    }
    const kept = Math.max(at('link', 'principal'), at('link', 'principal.kadm5'));
    const keptForGood = at('fsync', `db-${load}`, kept);
    expect(kept).toBeGreaterThanOrEqual(0);
    expect(keptForGood).toBeGreaterThan(kept);
    expect(promoted).toBeGreaterThan(keptForGood);
    const lastWrite = steps.findLastIndex(
      ({ call, path }) => call === 'write' && basename(path) === 'principal',
    );
    const synced = ['principal', 'principal.kadm5', `db-${load}`].map((name) =>
      at('fsync', name, lastWrite),
    );
    for (const index of synced) {
      expect(index).toBeGreaterThan(lastWrite);
      expect(index).toBeLessThan(lastSent);
    }
    expect(at('unlink', 'principal.before-load', promoted)).toBeGreaterThan(Math.max(...synced));
  });

  test(`${cuts} power cuts, seed ${seed}`, { timeout: 2_000 * cuts + 60_000 }, async () => {
    const random = seededRandom(seed);
    const [old, renewed] = [rig.good, rig.other].map((path) =>
      comparable(readFileSync(path, 'latin1')),
    );
    const first = recorded.steps.findIndex(({ path }) => fresh().test(basename(path)));
    const { lastSent } = recorded;
    const count = { old: 0, new: 0 };
    const place = join(rig.lab.replica.folder, 'after');
    for (let number = 0; number < cuts; number += 1) {
      const span = recorded.steps.length - first;
      const steps = first + 1 + Math.floor((number * span) / cuts);
      recorded.cut(steps, place, random);
      const files = new Db2Files(join(place, 'principal'), { dump: rig.lab.replica.fromMaster });
      await files.inspect();
      const where = `cut ${number} of seed ${seed}, after step ${steps}`;
      const held = await dumpOf(join(place, 'principal'), where);
      if (steps > lastSent) expect(held === renewed, where).toBe(true);
      else expect([old, renewed].includes(held), where).toBe(true);
      count[held === old ? 'old' : 'new'] += 1;
      // Nothing that was left is in the way of the next load.
      await files.protect(rig.good);
      await must(['load', '-d', join(place, 'principal'), rig.good]);
      await files.confirm(rig.good);
      expect(await dumpOf(join(place, 'principal'), where)).toBe(old);
    }
    expect(count.old).toBeGreaterThan(0);
    expect(count.new).toBeGreaterThan(0);
    if (cuts > 100)
      console.log(`${load}: ${cuts} power cuts, seed ${seed}: ${JSON.stringify(count)}`);
  });
});

async function dumpOf(database: string, where: string): Promise<string> {
  const path = join(rig.lab.replica.folder, 'tmp', 'held');
  await must(['-d', database, 'dump', path], where);
  return comparable(readFileSync(path, 'latin1'));
}

async function must(args: readonly string[], where = ''): Promise<void> {
  const { status, stderr } = await rig.lab.run(kdb5Util, args, { role: 'replica' });
  if (status !== 0) throw new Error(`${where}: kdb5_util ${args.join(' ')}: ${stderr}`);
}

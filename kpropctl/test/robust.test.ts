import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { readState } from '../src/state/state.ts';
import { ControlRealm, type Replica } from './realm.ts';

// What may happen to a run, and to what it remembers.

let realm: ControlRealm;
let ours: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  ours = await realm.addReplica('ours');
  await realm.addReplica('mit');
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(() => realm.close());

const json = async (...args: readonly string[]) => {
  const { stdout, status } = await realm.run(...args);
  return { status, ...JSON.parse(stdout) };
};

test('killed at any moment: the state is whole, and the next run passes', {
  timeout: 120_000,
}, async () => {
  for (let round = 0; round < 15; round += 1) {
    await realm.lab.addPrincipals([`round-${round}`]);
    const run = realm.start('run', '--plain');
    await Promise.race([sleep(150 + Math.random() * 400), run.ended]);
    run.kill();
    await run.ended;
    const troubles: string[] = [];
    readState(realm.state, (text) => troubles.push(text));
    expect(troubles).toEqual([]);
  }
  const report = await json('run', '--json');
  expect(report.status).toBe(0);
  for (const replica of report.replicas) expect(replica).toMatchObject({ proved: true });
  const left = readdirSync(realm.lab.primary.folder).filter((name) => /candidate/.test(name));
  expect(left).toEqual([]);
});

test('a key version that is about to run out: the canary is made anew, and generations go on', async () => {
  const before = await json('run', '--json');
  const path = await realm.lab.dump(join(realm.lab.folder, 'many-keys'));
  const text = readFileSync(path, 'latin1');
  const line = /^princ\t.*\tkpropctl\/canary@.*$/m.exec(text)?.[0] ?? '';
  const fields = line.split('\t');
  const at = 15 + 3 * Number(fields[3]) + 1;
  expect(fields[at]).toBe(`${readState(realm.state, () => undefined).canary.kvno}`);
  fields[at] = '60000';
  writeFileSync(path, text.replace(line, fields.join('\t')), 'latin1');
  await realm.lab.load(path, 'primary');
  const state = join(realm.state, 'state.json');
  const known = JSON.parse(readFileSync(state, 'utf8'));
  writeFileSync(state, JSON.stringify({ ...known, canary: { ...known.canary, kvno: 60_000 } }));
  const after = await json('run', '--json');
  expect(after.status).toBe(0);
  expect(after.generation).toBeGreaterThan(before.generation);
  for (const replica of after.replicas) expect(replica).toMatchObject({ proved: true });
  expect(readState(realm.state, () => undefined).canary.kvno).toBeLessThan(10);
  const next = await json('run', '--json');
  expect(next).toMatchObject({ status: 0, generation: after.generation + 1 });
});

test('kadmin.local that cannot be run: said, with what does without it', async () => {
  realm.configure({ kadmin_local: '/nonexistent' });
  const { status, stdout } = await realm.run('run');
  expect(status).toBe(3);
  expect(stdout).toMatch(
    /kpropctl\/canary@LAB\.EXAMPLE could not get a new key: .*ENOENT.*proof = none/,
  );
  realm.configure();
});

test('max_age: sent again even if nothing has changed', async () => {
  await realm.run('run');
  realm.configure({ max_age: '1s' });
  await sleep(1_100);
  expect((await realm.run('run', '--if-changed')).stdout).toContain('2 of 2 replicas');
  realm.configure({ max_age: '1h' });
  expect((await realm.run('run', '--if-changed')).stdout).toContain('nothing has changed');
});

test.each([-0.5, 0.5])(
  'the clock of the primary was off by %s days, and is right again',
  async (days) => {
    realm.configure();
    await realm.lab.addPrincipals([`days${days}`]);
    const env = realm.clockOff(days * 86_400_000);
    const off = realm.start('run', '--json', env);
    // The KDC says how late it is, and kpropctl goes by that.
    expect(await off.ended).toMatchObject({ status: 0 });
    const status = JSON.parse((await realm.run('status', '--json')).stdout);
    for (const replica of status.replicas) {
      expect(replica).toMatchObject({ state: 'ok', behindMillis: 0 });
    }
    await realm.lab.addPrincipals([`after${days}`]);
    expect((await realm.run('run', '--if-changed')).stdout).toContain('2 of 2 replicas');
    expect((await realm.run('status')).stdout).toMatch(/LAB\.EXAMPLE .* now, /);
  },
);

test('a state folder that is full: said, and the propagation passes', async () => {
  const folder = join(realm.lab.folder, 'full');
  mkdirSync(folder);
  await realm.lab.run('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', folder]);
  try {
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(16_384));
    realm.configure({ state: folder, proof: 'none' });
    const { status, stdout } = await realm.run('run');
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/state\.json cannot be written \(ENOSPC\)/);
  } finally {
    await realm.lab.run('umount', ['-l', folder]);
    realm.configure();
  }
});

test("a state that is another user's is not believed by root", async () => {
  await realm.run('run');
  chownSync(join(realm.state, 'state.json'), 65_534, 65_534);
  const { status, stdout } = await realm.run('run');
  expect(status).toBe(0);
  expect(stdout).toContain('belongs to another user');
});

test('one host under two names: said', async () => {
  const [first] = realm.replicas as [Replica];
  const { kpropPort, kdcPort } = first;
  realm.configure();
  const text = readFileSync(realm.config, 'utf8');
  writeFileSync(
    realm.config,
    `${text}    127.0.0.11. = {\n        port = ${kpropPort}\n        kdc = 127.0.0.1:${kdcPort}\n    }\n`,
  );
  const { status, stderr } = await realm.run('run');
  expect(status).toBe(78);
  expect(stderr).toContain('127.0.0.11. is there twice: the other one is 127.0.0.11');
});

test('a dump that is cut short is not sent', async () => {
  realm.configure();
  const before = await realm.dumpOf(ours.site);
  await realm.lab.addPrincipals(['cut']);
  // Half of a disk: the dump does not fit.
  const folder = join(realm.lab.folder, 'small');
  mkdirSync(folder);
  await realm.lab.run('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', folder]);
  try {
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(4_096));
    realm.configure({ dump: join(folder, 'dump') });
    const report = await json('run', '--json');
    expect(report).toMatchObject({
      status: 3,
      dump: null,
      refused: { remedy: expect.any(String) },
    });
    expect(await realm.dumpOf(ours.site)).toBe(before);
  } finally {
    await realm.lab.run('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
});

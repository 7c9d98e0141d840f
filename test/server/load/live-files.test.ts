import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { Db2Files } from '../../../src/server/load/live-files.ts';
import { comparable } from '../../support/lab/lab.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';
import { largeDump, leftOvers, whole } from '../../support/wire/streams.ts';

let rig: ReplicaRig;
let database: string;
let good: string;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  database = rig.lab.replica.database;
  good = comparable(await rig.lab.replicaDump());
});
afterAll(() => rig.close());
beforeEach(async () => {
  for (const name of readdirSync(rig.lab.replica.folder)) {
    if (name.startsWith('principal')) rmSync(join(rig.lab.replica.folder, name));
  }
  await rig.lab.load(rig.good);
});

const load = (path: string) => rig.lab.run(kdb5Util, ['load', path], { role: 'replica' });
const held = async () => comparable(await rig.lab.replicaDump());

/** What a kpropd does before a load, and then it is killed. */
async function protectAndDie(): Promise<void> {
  const files = new Db2Files(database);
  await files.protect(rig.other);
  await files.disclaim();
}

/** What kdb5_util leaves when it is killed between its renames and the last of its writing. */
function breakDatabase(o: { readonly policies?: boolean } = {}): void {
  const pages = readFileSync(database);
  writeFileSync(`${database}~`, pages.fill(0, 0, 4096));
  writeFileSync(`${database}~.kadm5`, readFileSync(`${database}.kadm5`));
  renameSync(`${database}~`, database);
  if (o.policies ?? true) renameSync(`${database}~.kadm5`, `${database}.kadm5`);
}

describe('a load that is killed in the moment of promotion', () => {
  test('leaves what nothing can open, and no load can replace, unless it is put right', async () => {
    const files = new Db2Files(database);
    await files.protect(rig.other);
    breakDatabase();
    expect((await load(rig.other)).stderr).toContain('while making newly loaded database live');
    await expect(held()).rejects.toThrow('Cannot open DB2 database');
    const before = statSync(`${database}.ok`).mtimeMs;
    await files.recover();
    expect(await held()).toBe(good);
    // The KDC looks at this time to see that the database is another one.
    expect(statSync(`${database}.ok`).mtimeMs).toBeGreaterThan(before);
    expect(leftOvers(rig)).toEqual([]);
    expect(await load(rig.other)).toMatchObject({ status: 0 });
  });

  test('between the principals and the policies: both are the old ones again', async () => {
    const files = new Db2Files(database);
    await files.protect(rig.other);
    const policies = statSync(`${database}.kadm5`).ino;
    breakDatabase({ policies: false });
    await files.recover();
    expect(await held()).toBe(good);
    expect(statSync(`${database}.kadm5`).ino).toBe(policies);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('in the very first load: afterwards there is no database, as before', async () => {
    for (const part of ['', '.kadm5']) rmSync(database + part);
    const files = new Db2Files(database);
    await files.protect(rig.other);
    writeFileSync(database, Buffer.alloc(8192));
    await files.recover();
    expect(existsSync(database)).toBe(false);
    expect(leftOvers(rig)).toEqual([]);
    expect(await load(rig.good)).toMatchObject({ status: 0 });
    expect(await held()).toBe(good);
  });

  test('the next kpropd finds it so, and puts it right when it starts', async () => {
    await protectAndDie();
    breakDatabase();
    await rig.serve();
    expect(await held()).toBe(good);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('the primary is told, and the database is the old one', async () => {
    const folder = join(rig.lab.replica.folder, 'programs');
    mkdirSync(folder, { recursive: true });
    const path = join(folder, 'kdb5_util');
    writeFileSync(join(folder, 'broken'), Buffer.alloc(8192));
    const script = `cat "$4" >/dev/null; mv '${join(folder, 'broken')}' '${database}'; kill -9 $$`;
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const server = await rig.serve({ loader: { path, environment: rig.lab.env('replica') } });
    const refusal = await rig.failure(server.port, { dump: whole(largeDump(rig)) });
    expect(refusal.message).toContain('load terminated by SIGKILL');
    expect(await held()).toBe(good);
    expect(leftOvers(rig)).toEqual([]);
    rig.holdGood();
  });
});

describe('nothing is put right that is right', () => {
  test('a load that was seen to its end', async () => {
    const files = new Db2Files(database);
    await files.protect(rig.other);
    await load(rig.other);
    await files.confirm(rig.other);
    await files.recover();
    expect(await rig.holdsOther()).toBe(true);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('one that succeeded without anybody seeing it', async () => {
    await protectAndDie();
    await load(rig.other);
    await new Db2Files(database).recover();
    expect(await rig.holdsOther()).toBe(true);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('one that was killed before that', async () => {
    const files = new Db2Files(database);
    await files.protect(rig.other);
    writeFileSync(`${database}~`, 'half');
    writeFileSync(`${database}~.kadm5`, 'half');
    await files.recover();
    expect(await held()).toBe(good);
    expect(leftOvers(rig)).toEqual([]);
  });

  test("another's load is under way: it is left alone", async () => {
    const fifo = join(rig.lab.replica.folder, 'tmp', 'fifo');
    const script = `mkfifo ${fifo}; (head -c 2000 ${rig.good}; sleep 60) >${fifo} & exec ${kdb5Util} load ${fifo}`;
    const other = rig.lab.start('sh', ['-c', script], { role: 'replica' });
    await rig.eventually(() => existsSync(`${database}~.kadm5.lock`));
    await new Db2Files(database).recover();
    expect(existsSync(`${database}~`)).toBe(true);
    other.kill();
    await other.ended;
    await new Db2Files(database).recover();
    expect(leftOvers(rig)).toEqual([]);
  });
});

describe('what was done by hand after a load that was killed', () => {
  const inspect = () => new Db2Files(database, { dump: rig.lab.replica.fromMaster }).inspect();

  test('if there was no database before, the one loaded by hand stays', async () => {
    for (const part of ['', '.kadm5']) rmSync(database + part);
    await protectAndDie();
    await load(rig.other);
    await inspect();
    expect(await rig.holdsOther()).toBe(true);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('where there was one, that is live again, and his is kept', async () => {
    await protectAndDie();
    await load(rig.other);
    const { ino } = statSync(database);
    await inspect();
    expect(await held()).toBe(good);
    expect(statSync(`${database}.unsound`).ino).toBe(ino);
    expect(leftOvers(rig)).toEqual([]);
  });
});

test('policies that were kept without their principals are none to put back', async () => {
  writeFileSync(`${database}.kadm5.before-load`, 'of a removal that did not come to its end');
  const { ino } = statSync(`${database}.kadm5`);
  const files = new Db2Files(database);
  await files.protect(rig.other);
  expect(statSync(`${database}.kadm5`).ino).toBe(ino);
  await files.recover();
  expect(await held()).toBe(good);
  expect(leftOvers(rig)).toEqual([]);
});

test('the database is not moved away without its lock', async () => {
  writeFileSync(database, Buffer.alloc(8192));
  renameSync(`${database}.ok`, `${database}.mark`);
  symlinkSync(`${database}.mark`, `${database}.ok`);
  await expect(new Db2Files(database).protect(rig.other)).rejects.toMatchObject({
    code: 'loader.unprotected',
    detail: { errno: 'ELOOP' },
  });
  expect(statSync(database).size).toBe(8192);
});

test('while one kpropd loads, another waits, and puts nothing right', async () => {
  const [one, other] = [new Db2Files(database), new Db2Files(database)];
  let waits = 0;
  const onWait = async () => {
    waits += 1;
  };
  await one.enter({ onWait });
  await one.protect(rig.other);
  let isIn = false;
  const entering = other.enter({ onWait }).then(() => {
    isIn = true;
  });
  await rig.eventually(() => waits === 1);
  await other.recover();
  expect(existsSync(`${database}.before-load`)).toBe(true);
  await load(rig.other);
  await one.confirm(rig.other);
  expect(isIn).toBe(false);
  await one.leave();
  await entering;
  await other.leave();
  expect(await rig.holdsOther()).toBe(true);
  expect(leftOvers(rig)).toEqual([]);
});

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { LoadEvent } from '../../../src/server/events.ts';
import { FedLoad } from '../../../src/server/load/fed-load.ts';
import { fileLoad } from '../../../src/server/load/file-load.ts';
import { Db2Files } from '../../../src/server/load/live-files.ts';
import { loadDump } from '../../../src/server/load/loader.ts';
import { comparable } from '../../support/lab/lab.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';
import { has, kinds, largeDump, leftOvers, pausing } from '../../support/wire/streams.ts';

let rig: ReplicaRig;
let large: Buffer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  large = largeDump(rig);
});
afterAll(() => rig.close());
beforeEach(async () => {
  await rig.lab.load(rig.good);
  rig.holdGood();
});

const limits = { idleMillis: 0, totalMillis: 30_000 };
const isHeld = async (dump: Uint8Array | string) =>
  comparable(await rig.lab.replicaDump()) === comparable(Buffer.from(dump).toString('latin1'));

describe('several loads at once', () => {
  test('a complete dump is loaded first; the load that gave way is done from its file', async () => {
    const server = await rig.serve({ limits });
    const small = readFileSync(rig.other);
    const [early, slow] = [pausing(small, 0), pausing(large)];
    const first = rig.send(server.port, { dump: early.dump });
    await rig.eventually(() => kinds(server).filter((kind) => kind === 'receiving').length === 1);
    const second = rig.send(server.port, { dump: slow.dump });
    await rig.eventually(() => statOf('principal~') > 500_000);
    early.go();
    await first;
    expect(await rig.holdsOther()).toBe(true);
    slow.go();
    await second;
    expect(await isHeld(large)).toBe(true);
    expect(kinds(server).filter((kind) => kind === 'streaming')).toHaveLength(1);
    expect(kinds(server).filter((kind) => kind === 'loader-started')).toHaveLength(2);
    expect(server.errors).toEqual([]);
    expect(leftOvers(rig)).toEqual([]);
  });

  test('a load whose sender falls silent gives way to other loads, and is done later', async () => {
    const { replica, realm } = rig.lab;
    const spool = join(replica.folder, 'tmp', 'spool');
    writeFileSync(spool, large);
    const loader = { path: kdb5Util, realm, environment: replica.env() };
    const guard = new Db2Files(replica.database);
    const events: string[] = [];
    const job = {
      spool,
      client: 'host/primary@LAB',
      signal: new AbortController().signal,
      onEvent: ({ kind }: LoadEvent) => events.push(kind),
      failing: new AbortController(),
    };
    const fromFile = fileLoad((path, run) => loadDump(path, loader, run), guard, job);
    const load = new FedLoad({ ...job, loader, guard, fromFile, patienceMillis: 300 });
    let over = false;
    void load.over.then(() => {
      over = true;
    });
    for (let part = 1; part <= 4; part += 1) {
      load.grow((large.length * part) >> 3);
      await sleep(150);
      expect(over).toBe(false);
    }
    await load.over;
    expect(job.failing.signal.aborted).toBe(false);
    expect(leftOvers(rig)).toEqual([]);
    expect(await isHeld(readFileSync(rig.good))).toBe(true);
    await load.commit({ path: spool, kind: 'plain', bytes: large.length });
    expect(events).toEqual(['streaming', 'loader-started']);
    expect(await isHeld(large)).toBe(true);
  });

  test('a propagation that authenticated later and is loaded first supersedes it', async () => {
    const server = await rig.serve({ limits });
    const slow = pausing(large);
    const failed = rig.failure(server.port, { dump: slow.dump });
    await rig.eventually(has(server, 'streaming'));
    await rig.send(server.port);
    slow.go();
    expect((await failed).message).toContain('a newer propagation');
    expect(await rig.holdsOther()).toBe(true);
    await server.settled();
    expect(leftOvers(rig)).toEqual([]);
  });

  test('the second of two large dumps waits, and is loaded from its file', async () => {
    const server = await rig.serve({ limits });
    const slow = pausing(large);
    const first = rig.send(server.port, { dump: slow.dump });
    await rig.eventually(has(server, 'streaming'));
    const other = pausing(large);
    const second = rig.send(server.port, { dump: other.dump });
    await rig.eventually(() => kinds(server).filter((kind) => kind === 'receiving').length === 2);
    await sleep(100);
    expect(kinds(server).filter((kind) => kind === 'streaming')).toHaveLength(1);
    slow.go();
    await first;
    other.go();
    await second;
    expect(await isHeld(large)).toBe(true);
  });
});

function statOf(name: string): number {
  const path = join(rig.lab.replica.folder, name);
  return existsSync(path) ? statSync(path).size : 0;
}

import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { isKpropError, type KpropError } from '../../../src/errors/kprop-error.ts';
import { comparable, type LabProcess, ourProgram } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';
import { holdLock } from '../../support/lab/lock-holder.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { expectHelpful, ReplicaRig } from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
/** A dump that is larger than the disk. */
let big: string;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  big = join(rig.lab.primary.folder, 'big');
  const basedOn = readFileSync(rig.other, 'latin1');
  makeSyntheticDump(big, Number.POSITIVE_INFINITY, { basedOn, exactBytes: 3_000_000 });
});
afterAll(() => rig.close());

// A FIFO that stays would hold up whoever writes to it next.
afterEach(() => rmSync(temporary(), { recursive: true, force: true }));

/** What the primary is told by a replica whose spool is at this place. */
async function refusalAt(
  file: string,
  dump = rig.other,
): Promise<{ text: string; error: KpropError }> {
  const server = await rig.serve({ file });
  let refusal: KpropError | undefined;
  const fault = async () => {
    refusal = await rig.failure(server.port, { dump });
  };
  await rig.survives(server, fault, { thenSends: false });
  if (!isKpropError(refusal, 'peer.refused')) throw refusal;
  expectHelpful(refusal);
  return { text: refusal.detail.text, error: server.errors[0] as KpropError };
}

const temporary = () => `${rig.lab.replica.fromMaster}.temp`;

describe('a place where no spool can be', () => {
  test('the directory is missing', async () => {
    const file = join(rig.lab.replica.folder, 'no', 'such', 'from_master');
    const { text, error } = await refusalAt(file);
    expect(text).toBe('No such file or directory while opening database file');
    expect(error).toMatchObject({ code: 'spool.write', phase: 'spool' });
  });

  test('nobody has the permission to write', async () => {
    // sysfs says no even to root.
    const { text, error } = await refusalAt('/sys/from_master');
    expect(text).toMatch(/ while opening database file$/);
    expect(error).toMatchObject({ code: 'spool.write', phase: 'spool' });
  });

  test('a symbolic link stands in the way: what it points to is not touched', async () => {
    const precious = join(rig.lab.replica.folder, 'precious');
    writeFileSync(precious, 'precious');
    symlinkSync(precious, temporary());
    const server = await rig.serve();
    const refusal = await rig.failure(server.port);
    expect(refusal.message).toContain('Too many');
    expect(readFileSync(precious, 'utf8')).toBe('precious');
    expect(lstatSync(temporary()).isSymbolicLink()).toBe(true);
    rmSync(temporary());
    await rig.expectServes(server);
    rig.holdGood();
  });

  test.each([
    ['a directory', 'spool.write', (path: string) => void mkdirSync(path)],
    ['a FIFO', 'spool.planted', (path: string) => void spawnSync('mkfifo', [path])],
  ])('%s stands in the way', async (_what, code, put) => {
    put(temporary());
    const server = await rig.serve();
    const refusal = await rig.failure(server.port);
    expect(refusal).toMatchObject({ code: 'peer.refused', detail: { number: 60 } });
    await server.settled();
    for (const error of server.errors) expectHelpful(error);
    expect(server.errors).toMatchObject([{ code }]);
    rmSync(temporary(), { recursive: true });
    await rig.expectServes(server);
    rig.holdGood();
  });

  test('a directory has the name of the spool itself', async () => {
    const file = join(rig.lab.replica.folder, 'occupied');
    mkdirSync(join(file, 'inhabited'), { recursive: true });
    const { text } = await refusalAt(file);
    expect(text).toBe('Is a directory while renaming');
  });
});

describe('a spool that another process has locked', () => {
  test.each(['OFD', 'POSIX'] as const)(
    'with a lock of kind %s: the primary is told',
    async (kind) => {
      writeFileSync(temporary(), 'half a dump of another kpropd');
      const holder = await holdLock(temporary(), kind);
      const server = await rig.serve();
      const before = readFileSync(rig.lab.replica.fromMaster);
      const refusal = await rig.failure(server.port);
      expect(refusal.detail).toMatchObject({
        number: 60,
        text: 'the spool file is locked by another propagation while trying to lock',
      });
      expect(server.errors).toMatchObject([{ code: 'spool.busy', retry: true, phase: 'spool' }]);
      // It is his file: neither emptied nor removed.
      expect(readFileSync(temporary(), 'utf8')).toBe('half a dump of another kpropd');
      expect(readFileSync(rig.lab.replica.fromMaster)).toEqual(before);
      await holder.end();
      await rig.expectServes(server);
      rig.holdGood();
    },
  );

  test("MIT's kpropd is receiving into the same file", async () => {
    const slow = await rig.lab.startMitKpropd({ loader: rig.lab.loaderStub('sleep 1') });
    const theirs = rig.lab.mitKprop({ port: slow.port, file: rig.other });
    await rig.eventually(() => slow.stderr.includes('Load PID'));
    // It has renamed its file, and holds a lock that is shared: ours is another.
    const server = await rig.serve();
    await rig.send(server.port, { dump: rig.good });
    expect((await theirs).status).toBe(0);
    await slow.stop();
    await rig.expectServes(server);
    rig.holdGood();
  });
});

describe('a disk that is full', () => {
  test('by the limit of the process', async () => {
    const { fromMaster } = rig.lab.replica;
    const kpropd = await kpropdUnder('ulimit -f 1000; exec "$@"', fromMaster);
    await expectNoRoom(kpropd, fromMaster, 'File too large');
  });

  test('by a file system of 1 MiB', async () => {
    const disk = join(rig.lab.replica.folder, 'disk');
    mkdirSync(disk);
    const mount = `mount -t tmpfs -o size=1m none ${disk}`;
    const unshare = process.getuid?.() === 0 ? 'unshare -m' : 'unshare -rm';
    const held = join(disk, 'from_master');
    const setUp = `${mount} && cp ${rig.good} ${held} && exec "$@"`;
    const kpropd = await kpropdUnder(`exec ${unshare} sh -c '${setUp}' sh "$@"`, held);
    // Nobody but itself sees that disk.
    await expectNoRoom(kpropd, `/proc/${kpropd.pid}/root${held}`, 'No space left on device');
  });

  async function kpropdUnder(script: string, file: string): Promise<LabProcess & { port: number }> {
    const port = await freePort();
    const { acl } = rig.lab.replica;
    const kpropd = [process.execPath, ourProgram('kpropd')];
    const args = ['-c', script, 'sh', ...kpropd, '-d', '-P', `${port}`, '-a', acl, '-f', file];
    const started = rig.lab.start('/bin/sh', args, { role: 'replica' });
    await started.until(() => listens(port), 'a kpropd that listens');
    return Object.assign(started, { port });
  }

  async function expectNoRoom(
    kpropd: LabProcess & { port: number },
    held: string,
    reason: string,
  ): Promise<void> {
    const before = comparable(await rig.lab.replicaDump());
    const refusal = await rig.failure(kpropd.port, { dump: big });
    expect(refusal).toMatchObject({ code: 'peer.refused', detail: { number: 60 } });
    expect(refusal.message).toMatch(
      new RegExp(`${reason} while writing database block starting at offset \\d+$`),
    );
    expectHelpful(refusal);
    await kpropd.until(() => kpropd.stderr.includes('fix: '), 'a fix');
    expect(kpropd.stderr).toContain(`kpropd: ${reason} while writing database block`);
    expect(kpropd.stderr).not.toContain('calling kdb5_util');
    expect(comparable(await rig.lab.replicaDump())).toBe(before);
    expect(readFileSync(held)).toEqual(readFileSync(rig.good));
    expect(readdirSync(dirname(held)).filter((name) => name.includes('.temp'))).toEqual([]);
    // What is small enough still passes: nothing of the large one takes up the room.
    await rig.send(kpropd.port, { dump: rig.good });
    await kpropd.stop();
  }
});

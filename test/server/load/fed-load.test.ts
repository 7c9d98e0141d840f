import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import type { KpropError } from '../../../src/errors/kprop-error.ts';
import { comparable } from '../../support/lab/lab.ts';
import { ReplicaRig, type RigServer } from '../../support/rig/replica-rig.ts';
import { has, kinds, largeDump, leftOvers, pausing, whole } from '../../support/wire/streams.ts';

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

/** A large dump with lines put in after one of its own. */
function withLines(after: number, ...lines: readonly string[]): Buffer {
  const all = large.toString('latin1').split('\n');
  all.splice(after, 0, ...lines);
  return Buffer.from(all.join('\n'), 'latin1');
}

describe('a load that begins while its dump arrives', () => {
  test('reads what is there, waits for the rest, and is live when all is there', async () => {
    const server = await rig.serve({ limits });
    const { dump, go } = pausing(large);
    const sending = rig.send(server.port, { dump });
    await rig.eventually(has(server, 'streaming'));
    await rig.eventually(() => statOf('principal~') > 500_000);
    expect(await isHeld(readFileSync(rig.good))).toBe(true);
    expect(has(server, 'received')()).toBe(false);
    go();
    expect(await sending).toMatchObject({ bytes: large.length });
    expect(await isHeld(large)).toBe(true);
    expect(readFileSync(rig.lab.replica.fromMaster).equals(large)).toBe(true);
    await server.settled();
    // How often progress is told depends on the time that it takes.
    expect(kinds(server).filter((kind) => kind !== 'progress')).toEqual(
      ['connected', 'authenticating', 'authenticated', 'receiving', 'streaming', 'received'].concat(
        ['loading', 'loader-started', 'loaded', 'closed'],
      ),
    );
    const pids = server.events.flatMap((event) => ('pid' in event ? [event.pid] : []));
    expect(new Set(pids).size).toBe(1);
    expect(leftOvers(rig)).toEqual([]);
  });

  test.each(['streamed', 'complete', 'kdb5_util'] as const)(
    '%s: a small dump is loaded',
    async (load) => {
      const server = await rig.serve({ load });
      await rig.send(server.port);
      expect(await rig.holdsOther()).toBe(true);
      expect(has(server, 'streaming')()).toBe(load === 'streamed');
      expect(leftOvers(rig)).toEqual([]);
    },
  );

  test('a large one is not, with complete', async () => {
    const server = await rig.serve({ load: 'complete' });
    await rig.send(server.port, { dump: whole(large) });
    expect(has(server, 'streaming')()).toBe(false);
    expect(await isHeld(large)).toBe(true);
  });

  test.each([
    ['policies between principals', ['policy\tq\t0\t0\t8\t1\t1\t0\t0\t0\t0\t0\t0\t0\t-\t0']],
    ['empty lines', ['', '', '']],
    ['an early end', ['End']],
    ['what cannot be cut', ['\n'.repeat(5000)]],
  ])('%s: the outcome is that of the file', async (_what, lines) => {
    const dump = withLines(6_000, ...lines);
    const server = await rig.serve({ limits });
    await rig.send(server.port, { dump: whole(dump) });
    const streamed = comparable(await rig.lab.replicaDump());
    await rig.lab.load(rig.good);
    await rig.lab.load(rig.lab.replica.fromMaster);
    expect(streamed).toBe(comparable(await rig.lab.replicaDump()));
    expect(leftOvers(rig)).toEqual([]);
  });
});

describe('what can go wrong before the dump is complete', () => {
  /** What the primary is told while it still has half of a dump to send. */
  async function refusalOf(dump: Buffer, fault?: (server: RigServer) => unknown, o = {}) {
    const server = await rig.serve({ limits, ...o });
    const before = statSync(rig.lab.replica.fromMaster);
    const { dump: pausingDump, go } = pausing(dump);
    const failed = rig.failure(server.port, { dump: pausingDump });
    if (fault !== undefined) {
      await rig.eventually(has(server, 'streaming'));
      await rig.eventually(() => statOf('principal~') > 0);
      await fault(server);
    }
    // The sender, which waits for its own source, hears of it when it has something to send.
    await rig.eventually(has(server, 'failed'));
    go();
    const refusal = await failed;
    await server.settled();
    expect(has(server, 'received')()).toBe(false);
    expect(statSync(rig.lab.replica.fromMaster)).toMatchObject({ ino: before.ino });
    await rig.expectIntact();
    expect(leftOvers(rig)).toEqual([]);
    await rig.expectServes(server);
    return { refusal, error: server.errors[0] };
  }

  test('a record that it cannot read: the primary is told while it still sends', async () => {
    const { refusal, error } = await refusalOf(withLines(20, 'princ\t38\tgarbage'));
    const temporary = `${rig.lab.replica.fromMaster}.temp`;
    expect(refusal).toMatchObject({ code: 'peer.refused' });
    expect(refusal.message).toMatch(/kdb5_util returned a bad exit status \(1\)$/);
    const { stderr } = (error as KpropError<'loader.failed'>).detail;
    expect(stderr).toContain(`${temporary}(21): cannot match size tokens`);
    expect(stderr).toContain(`error processing line 21 of ${temporary}`);
    expect(error).toMatchObject({ code: 'loader.failed', phase: 'load' });
  });

  test('a line that is not a record', async () => {
    const { error } = await refusalOf(withLines(20, 'garbage'));
    const { stderr } = (error as KpropError<'loader.failed'>).detail;
    expect(stderr).toContain('unknown record type "garbage"');
  });

  test('no header of a dump: it is refused before anything is started', async () => {
    const { refusal, error } = await refusalOf(Buffer.from(`hello\n${'x'.repeat(3_000_000)}\n`));
    expect(refusal.message).toContain('does not begin with the header of a kdb5_util dump');
    expect(error).toMatchObject({ code: 'spool.malformed', phase: 'load' });
  });

  test('the loader is killed', async () => {
    const { refusal } = await refusalOf(large, (server) => {
      process.kill(pidOf(server), 'SIGKILL');
    });
    expect(refusal.message).toContain('kdb5_util load terminated by SIGKILL');
  });

  test('the loader is not there', async () => {
    const loader = { path: '/nonexistent/kdb5_util', environment: rig.lab.env('replica') };
    const server = await rig.serve({ loader, limits });
    const { dump, go } = pausing(large);
    const failed = rig.failure(server.port, { dump });
    await rig.eventually(has(server, 'failed'));
    go();
    expect((await failed).message).toContain('while trying to exec kdb5_util');
    await server.settled();
    await rig.expectIntact();
  });

  test('the time is over', async () => {
    const server = await rig.serve({ limits: { idleMillis: 0, totalMillis: 800 } });
    const { dump, go } = pausing(large);
    const failed = rig.failure(server.port, { dump });
    await rig.eventually(has(server, 'failed'));
    go();
    await failed;
    await server.settled();
    expect(server.errors[0]).toMatchObject({ code: 'server.timeout' });
    await rig.expectIntact();
    expect(leftOvers(rig)).toEqual([]);
  });

  test.each([1, 2, 3, 100])('%i bytes are missing at its end', async (missing) => {
    const server = await rig.serve({ limits });
    const dump = large.subarray(0, -missing);
    const refusal = await rig.failure(server.port, { dump: whole(dump) });
    expect(refusal.message).toMatch(/the dump was not loaded: it ends (in|with)/);
    await server.settled();
    expect(has(server, 'streaming')()).toBe(true);
    expect(has(server, 'loading')()).toBe(false);
    await rig.expectIntact();
    expect(leftOvers(rig)).toEqual([]);
  });

  test('a record at its very end that it cannot read', async () => {
    const server = await rig.serve({ limits });
    const dump = Buffer.concat([large, Buffer.from('princ\t38\tgarbage\t-1;\n')]);
    const refusal = await rig.failure(server.port, { dump: whole(dump) });
    // It was complete, and took its place as with MIT's, before kdb5_util came to that record.
    expect(readFileSync(rig.lab.replica.fromMaster).equals(dump)).toBe(true);
    expect(refusal.message).toMatch(/kdb5_util returned a bad exit status \(1\)$/);
    await server.settled();
    const { stderr } = (server.errors[0] as KpropError<'loader.failed'>).detail;
    expect(stderr).toContain(`${rig.lab.replica.fromMaster}(`);
    await rig.expectIntact();
    expect(leftOvers(rig)).toEqual([]);
  });

  test.each(['the sender leaves', 'the server is closed'])('%s', async (what) => {
    const server = await rig.serve({ limits });
    const control = new AbortController();
    const { dump, go } = pausing(large);
    const failed = rig.failure(server.port, { dump, signal: control.signal });
    await rig.eventually(() => statOf('principal~') > 500_000);
    if (what === 'the sender leaves') control.abort();
    else await server.close({ abort: true });
    go();
    await failed;
    await server.settled();
    await rig.expectIntact();
    expect(leftOvers(rig)).toEqual([]);
  });
});

function statOf(name: string): number {
  const path = join(rig.lab.replica.folder, name);
  return existsSync(path) ? statSync(path).size : 0;
}

function pidOf(server: RigServer): number {
  const event = server.events.findLast(({ kind }) => kind === 'streaming');
  if (event?.kind !== 'streaming') throw new Error('nothing is loaded');
  return event.pid;
}

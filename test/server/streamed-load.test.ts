import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { loadKrb5Config } from '../../src/host/config-files.ts';
import { isKpropError } from '../../src/protocol/errors.ts';
import { comparable } from '../support/lab.ts';
import { kdb5Util, processesOf, ReplicaRig, type RigServer } from '../support/replica-rig.ts';
import { makeSyntheticDump } from '../support/synthetic-dump.ts';

let rig: ReplicaRig;
/** Large enough that kpropd loads it while it arrives without being told to. */
let large: Buffer;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  const path = join(rig.lab.primary.folder, 'large');
  makeSyntheticDump(path, 12_000, { basedOn: readFileSync(rig.good, 'latin1') });
  large = readFileSync(path);
});
afterAll(() => rig.close());
beforeEach(async () => {
  await rig.lab.load(rig.good);
  rig.holdGood();
});

const limits = { idle: 0, total: 30_000 };
const half = () => large.subarray(0, large.length >> 1);
const kinds = (server: RigServer) => server.events.map(({ kind }) => kind);
const has = (server: RigServer, kind: string) => () => kinds(server).some((one) => one === kind);
const databaseFiles = () =>
  readdirSync(rig.lab.replica.folder).filter((name) => name.startsWith('principal~'));
const isHeld = async (dump: Uint8Array | string) =>
  comparable(await rig.lab.replicaDump()) === comparable(Buffer.from(dump).toString('latin1'));

/** A dump that stops in the middle until it is let go on. */
function pausing(dump: Buffer, at: number) {
  let go = () => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* stream() {
    yield dump.subarray(0, at);
    await gate;
    yield dump.subarray(at);
  }
  return { dump: { bytes: dump.length, stream: stream() }, go };
}

function whole(dump: Uint8Array) {
  async function* stream() {
    yield dump;
  }
  return { bytes: dump.length, stream: stream() };
}

/** A large dump with lines put in after one of its own. */
function withLines(after: number, ...lines: readonly string[]): Buffer {
  const all = large.toString('latin1').split('\n');
  all.splice(after, 0, ...lines);
  return Buffer.from(all.join('\n'), 'latin1');
}

describe('a load that begins while its dump arrives', () => {
  test('reads what is there, waits for the rest, and is live when all is there', async () => {
    const server = await rig.serve({ limits });
    const { dump, go } = pausing(large, half().length);
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
    expect(kinds(server)).toEqual(
      ['connected', 'authenticating', 'authenticated', 'receiving', 'streaming', 'received'].concat(
        ['loading', 'loader-started', 'loaded', 'closed'],
      ),
    );
    const pids = server.events.flatMap((event) => ('pid' in event ? [event.pid] : []));
    expect(new Set(pids).size).toBe(1);
    expect(leftOvers()).toEqual([]);
  });

  test.each(['streamed', 'complete', 'auto'] as const)(
    '%s: a small dump is loaded',
    async (load) => {
      const server = await rig.serve({ load });
      await rig.send(server.port);
      expect(await rig.holdsOther()).toBe(true);
      expect(has(server, 'streaming')()).toBe(load === 'streamed');
      expect(leftOvers()).toEqual([]);
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
    expect(leftOvers()).toEqual([]);
  });
});

describe('what goes wrong meanwhile', () => {
  /** What the primary is told while it still has half of a dump to send. */
  async function refusalOf(dump: Buffer, fault?: (server: RigServer) => unknown, o = {}) {
    const server = await rig.serve({ limits, ...o });
    const before = statSync(rig.lab.replica.fromMaster);
    const { dump: pausingDump, go } = pausing(dump, dump.length >> 1);
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
    expect(leftOvers()).toEqual([]);
    await rig.expectServes(server);
    return { refusal, error: server.errors[0] };
  }

  test('a record that it cannot read: the primary hears of it in the midst of its sending', async () => {
    const { refusal, error } = await refusalOf(withLines(20, 'princ\t38\tgarbage'));
    const temporary = `${rig.lab.replica.fromMaster}.temp`;
    expect(refusal).toMatchObject({ code: 'peer.refused' });
    expect(refusal.message).toContain(
      `kdb5_util returned a bad exit status (1): ${temporary}(21): cannot match size tokens`,
    );
    expect(refusal.message).toContain(`error processing line 21 of ${temporary}`);
    expect(error).toMatchObject({ code: 'loader.failed', phase: 'load' });
  });

  test('a line that is no record', async () => {
    const { refusal } = await refusalOf(withLines(20, 'garbage'));
    expect(refusal.message).toContain('unknown record type "garbage"');
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
    const { dump, go } = pausing(large, half().length);
    const failed = rig.failure(server.port, { dump });
    await rig.eventually(has(server, 'failed'));
    go();
    expect((await failed).message).toContain('while trying to exec /nonexistent/kdb5_util');
    await server.settled();
    await rig.expectIntact();
  });

  test('the time is over', async () => {
    const server = await rig.serve({ limits: { idle: 0, total: 800 } });
    const { dump, go } = pausing(large, half().length);
    const failed = rig.failure(server.port, { dump });
    await rig.eventually(has(server, 'failed'));
    go();
    await failed;
    await server.settled();
    expect(server.errors[0]).toMatchObject({ code: 'server.timeout' });
    await rig.expectIntact();
    expect(leftOvers()).toEqual([]);
  });

  test.each(['the sender leaves', 'the server is closed'])('%s', async (what) => {
    const server = await rig.serve({ limits });
    const control = new AbortController();
    const { dump, go } = pausing(large, half().length);
    const failed = rig.failure(server.port, { dump, signal: control.signal });
    await rig.eventually(() => statOf('principal~') > 500_000);
    if (what === 'the sender leaves') control.abort();
    else await server.close({ abort: true });
    go();
    await failed;
    await server.settled();
    await rig.expectIntact();
    expect(leftOvers()).toEqual([]);
  });
});

describe('several at once', () => {
  test('one that is complete goes first; what was given up for it is loaded from its file', async () => {
    const server = await rig.serve({ limits });
    const small = readFileSync(rig.other);
    const [early, slow] = [pausing(small, 0), pausing(large, half().length)];
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
    expect(leftOvers()).toEqual([]);
  });

  test('one that authenticated later and is loaded first supersedes it', async () => {
    const server = await rig.serve({ limits });
    const slow = pausing(large, half().length);
    const failed = rig.failure(server.port, { dump: slow.dump });
    await rig.eventually(has(server, 'streaming'));
    await rig.send(server.port);
    slow.go();
    expect((await failed).message).toContain('a newer propagation');
    expect(await rig.holdsOther()).toBe(true);
    await server.settled();
    expect(leftOvers()).toEqual([]);
  });

  test('the second of two large ones waits, and is loaded from its file', async () => {
    const server = await rig.serve({ limits });
    const slow = pausing(large, half().length);
    const first = rig.send(server.port, { dump: slow.dump });
    await rig.eventually(has(server, 'streaming'));
    const other = pausing(large, half().length);
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

describe('whom it may be forced on', () => {
  const stub = (script: string) => ({
    path: rig.lab.loaderStub(script, 'stub-streamed'),
    environment: rig.lab.env('replica'),
  });
  const place = (name: string) => join(rig.lab.replica.folder, 'tmp', name);

  test('a program of somebody else, which is given /dev/stdin', async () => {
    const loader = stub('echo "$*" >"$TMPDIR/line"; shift $(($# - 1)); cat "$1" >"$TMPDIR/got"');
    const server = await rig.serve({ loader, limits, load: 'streamed' });
    const { dump, go } = pausing(large, half().length);
    const sending = rig.send(server.port, { dump });
    await rig.eventually(() => existsSync(place('got')) && statSync(place('got')).size > 900_000);
    go();
    await sending;
    expect(readFileSync(place('line'), 'utf8')).toBe('-r LAB.EXAMPLE load /dev/stdin\n');
    expect(readFileSync(place('got')).equals(large)).toBe(true);
  });

  test('one that does not read to the end is run again, with the file', async () => {
    const loader = stub('echo "$*" >>"$TMPDIR/lines"');
    const server = await rig.serve({ loader, limits, load: 'streamed' });
    const { dump, go } = pausing(large, half().length);
    const sending = rig.send(server.port, { dump });
    await rig.eventually(() => existsSync(place('lines')));
    go();
    await sending;
    expect(readFileSync(place('lines'), 'utf8')).toBe(
      `-r LAB.EXAMPLE load /dev/stdin\n-r LAB.EXAMPLE load ${rig.lab.replica.fromMaster}\n`,
    );
  });

  test('its children get no end of a dump, either, when it fails', async () => {
    const loader = stub(
      'exec 3<"$4"; (cat <&3 >/dev/null && touch "$TMPDIR/ended") & sleep 0.3; exit 4',
    );
    const server = await rig.serve({ loader, limits, load: 'streamed' });
    const { dump, go } = pausing(large, half().length);
    const failed = rig.failure(server.port, { dump });
    await rig.eventually(has(server, 'failed'));
    go();
    await failed;
    await sleep(100);
    expect(existsSync(place('ended'))).toBe(false);
    expect(processesOf(rig.lab.replica.folder)).toEqual([]);
  });

  test('a program of somebody else is not, unless it is forced', async () => {
    const server = await rig.serve({ loader: stub('exit 0'), limits });
    await rig.send(server.port, { dump: whole(large) });
    expect(has(server, 'streaming')()).toBe(false);
  });

  test.each(['klmdb', 'kldap'])('kdb5_util with %s is not, and cannot be', async (library) => {
    const { replica } = rig.lab;
    const kdcConf = join(replica.folder, `${library}.conf`);
    const module = `[dbmodules]\n  LAB.EXAMPLE = {\n    db_library = ${library}\n  }\n`;
    writeFileSync(kdcConf, `${readFileSync(replica.kdcConf, 'latin1')}${module}`);
    const config = loadKrb5Config({ krb5ConfFiles: replica.krb5Conf, kdcConfFile: kdcConf });
    // The program has the name of kdb5_util, and its database here is db2: only kpropd is misled.
    const server = await rig.serve({ config, limits });
    await rig.send(server.port, { dump: whole(large) });
    expect(has(server, 'streaming')()).toBe(false);
    const refused = await rig.serve({ config, load: 'streamed' }).catch((error) => error);
    expect(isKpropError(refused, 'config.load')).toBe(true);
    expect(refused.message).toContain(`is not safe with the database library ${library}`);
  });

  test('a function is not', async () => {
    const refused = await rig.serve({ loader: async () => {}, load: 'streamed' }).catch((e) => e);
    expect(isKpropError(refused, 'config.load')).toBe(true);
  });

  test('the dump of a full resynchronisation is loaded when it is complete', async () => {
    const text = large.toString('latin1').replace(/^.*\n/, 'ipropx 1 0 0 0\n');
    const loader = { path: kdb5Util, environment: rig.lab.env('replica') };
    const server = await rig.serve({ loader, limits, load: 'streamed' });
    await rig.failure(server.port, { dump: whole(Buffer.from(text)) });
    expect(has(server, 'streaming')()).toBe(false);
    expect(server.errors[0]).toMatchObject({ detail: { stderr: /Iprop not enabled/ } });
  });
});

function leftOvers(): readonly string[] {
  return [...rig.leftOvers(), ...databaseFiles(), ...processesOf(rig.lab.replica.folder)];
}

function statOf(name: string): number {
  const path = join(rig.lab.replica.folder, name);
  return existsSync(path) ? statSync(path).size : 0;
}

function pidOf(server: RigServer): number {
  const event = server.events.findLast(({ kind }) => kind === 'streaming');
  if (event?.kind !== 'streaming') throw new Error('nothing is loaded');
  return event.pid;
}

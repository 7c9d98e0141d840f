import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { LineLimit } from '../../../src/cli/kpropd/line-limit.ts';
import { Lab, type LabProcess, ourProgram } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';
import { type LogSocket, startLogSocket } from '../../support/lab/log-socket.ts';
import { expectReplicaHas, succeeded } from '../../support/lab/pairings.ts';
import { stranger } from '../../support/rig/attacker.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 5 });
  await lab.dump();
});
afterAll(() => lab.close());

/** Puts a socket of ours into the place of /dev/log, in a mount namespace, and runs a program. */
const withLog = `set -e
log=$1; shift
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; mknod -m 666 /dev/full c 1 7
ln -s /proc/self/fd /dev/fd; ln -s /proc/self/fd/0 /dev/stdin
ln -s "$log" /dev/log
exec "$@"`;

interface Logged {
  readonly port: number;
  readonly process: LabProcess;
  readonly log: LogSocket;
}

/** kpropd in the foreground, and what it tells the system log. `redirect` is text of the shell. */
async function started(args: readonly string[], redirect = ''): Promise<Logged> {
  const port = await freePort();
  const path = join(lab.replica.folder, `log-${port}`);
  const log = await startLogSocket(lab, path);
  const { acl, fromMaster } = lab.replica;
  const program = [process.execPath, ourProgram('kpropd'), '-P', `${port}`, '-a', acl];
  const script = withLog.replace('exec "$@"', `exec "$@" ${redirect}`);
  const command = [
    '--mount',
    'sh',
    '-c',
    script,
    'sh',
    path,
    ...program,
    '-f',
    fromMaster,
    ...args,
  ];
  const started = lab.start('unshare', command, { role: 'replica' });
  await started.until(() => listens(port), 'kpropd');
  return { port, process: started, log };
}

const garbage = (port: number) => stranger(port, 'GET / HTTP/1.0\r\n\r\n');

async function attack(port: number, connections: number): Promise<void> {
  for (let left = connections; left > 0; left -= 20) {
    await Promise.all(Array.from({ length: Math.min(20, left) }, () => garbage(port)));
  }
}

describe('a reader of the log stops', () => {
  test('the system log: strangers and propagations are served on', async () => {
    const { port, process, log } = await started(['-D']);
    await attack(port, 60);
    expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
    expect(log.lines()).toEqual([]);
    log.read();
    await expect.poll(() => log.lines().length, { timeout: 20_000 }).toBeGreaterThan(5);
    await process.stop();
  });

  test('a pipe on stderr, with -d', async () => {
    // "ready" is on stdout; nobody ever reads the fifo, which this process keeps open.
    const fifo = join(lab.replica.folder, 'unread');
    await lab.run('mkfifo', [fifo]);
    const kept = openSync(fifo, 'r+');
    const { port, process } = await started(['-d', '--log-rate', '0'], `2>'${fifo}'`);
    // 190 bytes each and more, in a pipe that holds 64 KiB.
    await attack(port, 400);
    expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
    await expectReplicaHas(lab);
    await process.stop();
    closeSync(kept);
  });

  test('a disk that is full, with -d', async () => {
    const { port, process } = await started(['-d'], '>/dev/full 2>&1');
    await garbage(port);
    expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
    await process.stop();
  });
});

test('under attack the log stays small, says what it left out, and has every propagation', async () => {
  const { port, process, log } = await started(['-D', '--log-rate', '2']);
  log.read();
  await attack(port, 300);
  expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
  await process.stop();
  const count = (pattern: RegExp) => log.lines().filter((line) => pattern.test(line)).length;
  await expect.poll(() => count(/lines about connections suppressed/), { timeout: 20_000 }).toBe(1);
  // A burst of 10 for each kind, 2 a second afterwards; the attack took some seconds.
  const connections = count(/: Connection from /);
  expect(connections).toBeGreaterThanOrEqual(10);
  expect(connections).toBeLessThan(100);
  expect(count(/fix: /)).toBeLessThan(100);
  // The one of the propagation comes last, though it was suppressed at first.
  const told = log.lines().filter((line) => /Connection from|suppressed/.test(line));
  expect(told.at(-1)).toMatch(/suppressed/);
  expect(told.at(-2)).toMatch(/<30>.* kpropd\[\d+\]: Connection from /);
  for (const line of log.lines()) expect(Buffer.byteLength(line)).toBeLessThan(700);
});

test('--log-rate that is not a number prints the usage', async () => {
  const args = [ourProgram('kpropd'), '--log-rate=many'];
  const { status, stderr } = await lab.run(process.execPath, args, { role: 'replica' });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(
      /^kpropd: --log-rate takes a whole number of lines a second\n\nUsage: /,
    ),
  });
});

describe('a limit', () => {
  test('lets a burst through, then a number a second, for each kind separately', () => {
    let now = 0;
    const limit = new LineLimit(2, () => now);
    const allowed = (kind: 'connection' | 'denied') =>
      Array.from({ length: 20 }, () => limit.allows(kind)).filter(Boolean).length;
    expect(allowed('connection')).toBe(10);
    expect(allowed('denied')).toBe(10);
    expect(limit.takeSuppressed()).toBe(20);
    expect(limit.takeSuppressed()).toBe(0);
    now += 1_500;
    expect(allowed('connection')).toBe(3);
    now += 3_600_000;
    expect(allowed('connection')).toBe(10);
  });

  test('of 0 means no limit', () => {
    const limit = new LineLimit(0, () => 0);
    for (let i = 0; i < 1_000; i++) expect(limit.allows('refusal', 2)).toBe(true);
  });
});

describe.each([
  ['ours', (port: number) => lab.ourKprop({ port })],
  ['MIT', (port: number) => lab.mitKprop({ port })],
] as const)('a propagation of %s', (_, send) => {
  test.each(['native', 'kdb5_util'])('has a line of its own, loaded with %s', async (load) => {
    const { port, process, log } = await started(['-D', `--load=${load}`]);
    log.read();
    expect(await send(port)).toMatchObject({ status: 0 });
    const loaded = () => log.lines().filter((line) => / loaded /.test(line));
    await expect.poll(loaded, { timeout: 20_000 }).toHaveLength(1);
    const records = readFileSync(lab.dumpFile, 'latin1').match(/^princ/gm)?.length;
    expect(loaded()[0]).toMatch(
      new RegExp(
        `^<30>.* kpropd\\[\\d+\\]: loaded \\d\\.\\d kB, ${records} principals from ${lab.client} in \\d+(\\.\\d)? s$`,
      ),
    );
    await process.stop();
  });
});

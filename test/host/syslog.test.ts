import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { openSyslog } from '../../src/host/syslog.ts';
import { ProcessTable } from '../support/lab/lab-process.ts';
import { startLogSocket } from '../support/lab/log-socket.ts';

let folder: string;
let table: ProcessTable;
const lab = {
  start: (program: string, args: readonly string[] = []) =>
    table.start(program, args, { env: process.env, cwd: folder }),
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-syslog-'));
  table = new ProcessTable(folder);
});
afterAll(async () => {
  await table.close();
  rmSync(folder, { recursive: true, force: true });
});

const noon = () => new Date(2026, 0, 7, 12, 3, 4);
const head = (priority: number) => `<${priority}>Jan  7 12:03:04 prog[${process.pid}]: `;
const eventually = (done: () => unknown) => expect.poll(done, { timeout: 20_000 });

test('logging does no harm, whatever the text and whether or not anybody listens', () => {
  const log = openSyslog('kprop-test', 'daemon', { path: join(folder, 'nobody') });
  for (const priority of ['err', 'warning', 'notice', 'info'] as const) {
    expect(() => log.log(priority, '100 %s %n %99999d\nöäü')).not.toThrow();
  }
});

test.each(['SOCK_DGRAM', 'SOCK_STREAM'] as const)(
  '%s: a line as syslog(3) writes it',
  async (kind) => {
    const path = join(folder, kind);
    const socket = await startLogSocket(lab, path, kind);
    socket.read();
    const log = openSyslog('prog', 'daemon', { path, now: noon });
    log.log('err', 'one');
    log.log('info', '100 %s öäü');
    await eventually(() => socket.lines()).toEqual([`${head(27)}one`, `${head(30)}100 %s öäü`]);
  },
);

test('a daemon that does not read stops nothing; lost lines are counted and reported', async () => {
  const path = join(folder, 'mute');
  const socket = await startLogSocket(lab, path);
  const log = openSyslog('prog', 'daemon', { path, now: noon });
  const text = 'x'.repeat(500);
  const begin = performance.now();
  for (let i = 0; i < 2_000; i++) log.log('info', `${i} ${text}`);
  expect(performance.now() - begin).toBeLessThan(2_000);
  socket.read();
  // What waited comes first, then the count.
  await eventually(() => socket.lines().at(-1)).toMatch(/messages were lost/);
  const told = socket.lines();
  const lost = Number(
    / (\d+) messages were lost while the system log did not read$/.exec(told.at(-1) ?? '')?.[1],
  );
  expect(lost).toBeGreaterThan(1_000);
  expect(told.length - 1 + lost).toBe(2_000);
  expect(told[0]).toBe(`${head(30)}0 ${text}`);
  log.log('info', 'afterwards');
  await eventually(() => socket.lines().at(-1)).toBe(`${head(30)}afterwards`);
});

test('a daemon that is started anew gets what comes then, and the count of what it missed', async () => {
  const path = join(folder, 'anew');
  const first = await startLogSocket(lab, path);
  first.read();
  const log = openSyslog('prog', 'daemon', { path, now: noon });
  log.log('info', 'before');
  await eventually(() => first.lines()).toHaveLength(1);
  await first.process.stop('SIGKILL');
  log.log('info', 'missed');
  const second = await startLogSocket(lab, path);
  second.read();
  log.log('info', 'after');
  await eventually(() => second.lines()).toEqual([
    `${head(30)}before`,
    `${head(28)}1 messages were lost while the system log did not read`,
    `${head(30)}after`,
  ]);
});

test('it ends with the process, also in a jam', async () => {
  const path = join(folder, 'jam');
  await startLogSocket(lab, path);
  const script = `const { openSyslog } = await import('${new URL('../../dist/host/syslog.js', import.meta.url)}');
    const log = openSyslog('prog', 'daemon', { path: ${JSON.stringify(path)} });
    for (let i = 0; i < 500; i++) log.log('info', 'line');`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 });
});

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import type { LabProcess } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import { childrenRunning } from './children.ts';
import { ControlRealm } from './realm.ts';

// The daemon and the process of its page, when something is in the way of that process.

// On a busy host each start of a process takes seconds.
vi.setConfig({ testTimeout: 200_000 });

let realm: ControlRealm;
let daemon: LabProcess;
let other: Server | undefined;
beforeAll(async () => {
  realm = await ControlRealm.create();
  const replica = await realm.addReplica('ours');
  realm.configure();
  await realm.run('run');
  await realm.startKdc(replica);
});
afterEach(async () => {
  other?.close();
  await daemon.stop();
});
afterAll(() => realm.close());

const until = (condition: () => unknown) =>
  vi.waitFor(condition, { timeout: 50_000, interval: 10 });

function configure(port: number): void {
  realm.configure({ every: '1h', listen: `127.0.0.1:${port}` });
}

async function serve(port: number): Promise<void> {
  configure(port);
  daemon = realm.start('serve');
  await until(() => expect(logged(/generation \d+\)/)).toBe(1));
}

/** Another program that listens where the page wants to. */
async function occupy(port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  other = server;
  await until(async () => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  });
  return server;
}

const answers = (port: number) =>
  until(async () => expect((await fetch(`http://127.0.0.1:${port}/healthz`)).ok).toBe(true));

const logged = (pattern: RegExp) =>
  daemon.stdout.split('\n').filter((line) => pattern.test(line)).length;

/** The daemon's, and those that the daemon has forgotten. */
function pageProcesses(): readonly number[] {
  return childrenRunning(daemon.pid, 'page-process');
}

function pageProcess(): number {
  const [pid, ...more] = pageProcesses();
  expect(more).toEqual([]);
  if (pid === undefined) throw new Error('there is no process of the page');
  return pid;
}

/** Waits until the configuration was read again so often. */
async function reload(times: number): Promise<void> {
  daemon.signal('SIGHUP');
  await until(() => expect(logged(/was read again/)).toBe(times));
}

test('an address that is busy when the process is started again: it is tried until it is free', async () => {
  const port = await freePort();
  await serve(port);
  const before = pageProcess();
  process.kill(before, 'SIGKILL');
  const server = await occupy(port);
  const attempts = new Set<number>();
  await until(() => {
    for (const pid of pageProcesses()) if (pid !== before) attempts.add(pid);
    expect(attempts.size).toBeGreaterThanOrEqual(3);
  });
  expect(logged(/cannot be opened \(listen EADDRINUSE.*ss -ltnp shows which process/)).toBe(1);
  server.close();
  await answers(port);
  await until(() => expect(logged(/the page is served again/)).toBe(1));
  expect(logged(/cannot be opened/)).toBe(1);
  expect(logged(/the process of the page ended/)).toBe(1);
  pageProcess();
});

test('an address that is busy after a reload: the daemon goes on, and has its page later', async () => {
  const [first, second] = [await freePort(), await freePort()];
  await serve(first);
  const server = await occupy(second);
  configure(second);
  await reload(1);
  await until(() => expect(logged(/there is no page: /)).toBe(1));
  server.close();
  await answers(second);
  expect(logged(/cannot be opened \(listen EADDRINUSE/)).toBe(1);
  pageProcess();
});

test('a process that cannot be started, for want of descriptors: it is tried until it can be', async () => {
  const port = await freePort();
  await serve(port);
  const limit = (soft: string) =>
    execFileSync('/usr/bin/prlimit', ['--pid', `${daemon.pid}`, `--nofile=${soft}:`]);
  const usual = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/limits`, 'utf8'));
  const before = pageProcess();
  limit('3');
  process.kill(before, 'SIGKILL');
  await until(() => expect(logged(/cannot be started \(.*EMFILE/)).toBe(1));
  limit(usual?.[1] ?? '');
  await answers(port);
  expect(logged(/cannot be started/)).toBe(1);
  pageProcess();
});

test('a second reload while the old process is ending: the last configuration is served, by one process', async () => {
  const [first, second, third] = [await freePort(), await freePort(), await freePort()];
  await serve(first);
  const before = pageProcess();
  // It is killed in the end, which takes two seconds.
  process.kill(before, 'SIGSTOP');
  configure(second);
  await reload(1);
  configure(third);
  await reload(2);
  await until(() => expect(pageProcesses()).not.toContain(before));
  await answers(third);
  await expect(fetch(`http://127.0.0.1:${second}/healthz`)).rejects.toThrow();
  await onlyOneAnswers(third, [first, second]);
});

test('a second reload while the new process is starting: no end of it is told', async () => {
  const [first, second, third] = [await freePort(), await freePort(), await freePort()];
  await serve(first);
  const before = pageProcess();
  configure(second);
  await reload(1);
  await until(() => expect(pageProcess()).not.toBe(before));
  configure(third);
  await reload(2);
  await answers(third);
  await onlyOneAnswers(third, [first, second]);
});

test('many reloads at once, the last of which ends the page', async () => {
  const [first, second] = [await freePort(), await freePort()];
  await serve(first);
  for (let times = 1; times <= 6; times += 1) {
    configure(times % 2 === 0 ? first : second);
    await reload(times);
  }
  realm.configure({ every: '1h' });
  await reload(7);
  await until(() => expect(pageProcesses()).toEqual([]));
  expect(logged(/there is no page|ended/)).toBe(0);
  await serveAgain(first);
});

/** What was overtaken has neither a process nor a line in the log. */
async function onlyOneAnswers(port: number, others: readonly number[]): Promise<void> {
  const pid = pageProcess();
  for (const one of others) {
    await expect(fetch(`http://127.0.0.1:${one}/healthz`)).rejects.toThrow();
  }
  expect(logged(/there is no page|ended/)).toBe(0);
  // The daemon owns it: it starts it again.
  process.kill(pid, 'SIGKILL');
  await until(() => expect(pageProcess()).not.toBe(pid));
  await answers(port);
}

/** A page that was ended by a reload comes back by another one. */
async function serveAgain(port: number): Promise<void> {
  configure(port);
  await reload(8);
  await answers(port);
  pageProcess();
}

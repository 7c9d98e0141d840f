import { once } from 'node:events';
import { readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab, ourProgram } from '../support/lab/lab.ts';
import { freePort, type LabProcess, listens } from '../support/lab/lab-process.ts';
import { listeningSockets } from '../support/lab/listening-sockets.ts';
import { succeeded } from '../support/lab/pairings.ts';
import { textOf } from '../support/lab/process-status.ts';
import { startSuperServer } from '../support/lab/super-server.ts';
import { textOnceThere } from '../support/rig/replica-rig.ts';

// SIGUSR1 makes a Node process listen for a debugger: whoever connects to that is the process's user.

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.dump();
});
afterAll(() => lab.close());

/** As npm installs a program: a link to it. */
function installed(name: 'kprop' | 'kpropd'): string {
  const link = join(lab.folder, `${name}-${Math.random().toString(36).slice(2)}`);
  symlinkSync(ourProgram(name), link);
  return link;
}

/** Sends SIGUSR1 as often as it can from the moment on when this is Node, until `done` holds. */
async function hammer(process_: LabProcess, done: () => boolean) {
  let sent = 0;
  const isNode = () => textOf(`/proc/${process_.pid}/comm`) === 'node\n';
  await process_.until(isNode, 'Node');
  while (!done()) {
    if (!process_.running) throw new Error(`it ended: ${JSON.stringify(await process_.ended)}`);
    process_.signal('SIGUSR1');
    sent += 1;
    await sleep(0);
  }
  return sent;
}

const kpropdArgs = (port: number) => {
  const { acl, fromMaster } = lab.replica;
  return ['-P', `${port}`, '-a', acl, '-f', fromMaster];
};

test.each(['kprop', 'kpropd'] as const)('the first thing that %s does is mind SIGUSR1', (name) => {
  const [hashBang, shell, banner, code] = readFileSync(ourProgram(name), 'utf8').split('\n');
  expect(hashBang).toBe('#!/bin/sh');
  expect(shell).toMatch(/^":" \/\/; trap "" USR1; exec node "--inspect-port=\[ff00::\]:9229" /);
  expect(banner).toMatch(/^"use strict";const moduleUrl=require\("node:url"\)[^;]*;$/);
  expect(code).toMatch(/^"use strict";process\.on\("SIGUSR1",\(\)=>\{\}\);/);
});

test.each(['as npm installs it', 'by node'])(
  'kprop that waits for its replica, started %s: no debugger, and it goes on',
  async (how) => {
    const silent = createServer().listen(0, '127.0.0.1');
    const connected = new Promise((resolve) => silent.once('connection', resolve));
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const [command, before]: [string, string[]] =
      how === 'by node' ? [process.execPath, [ourProgram('kprop')]] : [installed('kprop'), []];
    const kprop = lab.start(command, [...before, ...lab.kpropArgs({ port })]);
    await connected;
    for (let i = 0; i < 20; i++) {
      kprop.signal('SIGUSR1');
      await sleep(5);
    }
    expect(listeningSockets(kprop.pid)).toEqual([]);
    expect(kprop.running).toBe(true);
    expect(kprop.stderr).toBe('');
    await kprop.stop();
    silent.close();
  },
);

test('kpropd right after its start: no debugger, and it serves', async () => {
  for (let round = 0; round < 5; round++) {
    const port = await freePort();
    const kpropd = lab.start(installed('kpropd'), ['-D', ...kpropdArgs(port)], { role: 'replica' });
    const seen = new Set<string>();
    const sent = await hammer(kpropd, () => {
      for (const place of listeningSockets(kpropd.pid)) seen.add(place);
      return kpropd.stdout.includes('ready\n');
    });
    // How many they are is up to the machine; one is enough to open a debugger.
    expect(sent).toBeGreaterThan(0);
    for (const place of seen) expect(Number.parseInt(place.split(':')[1] ?? '', 16)).toBe(port);
    expect(listeningSockets(kpropd.pid)).toHaveLength(1);
    expect(listens(port)).toBe(true);
    if (round === 0) expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
    await kpropd.stop();
  }
});

test('the daemon: no debugger', async () => {
  const port = await freePort();
  const pidFile = join(lab.replica.folder, 'debugged.pid');
  const args = [ourProgram('kpropd'), ...kpropdArgs(port), '--pid-file', pidFile];
  expect(await lab.run(process.execPath, args, { role: 'replica' })).toMatchObject({ status: 0 });
  const pid = Number(readFileSync(pidFile, 'utf8'));
  try {
    process.kill(pid, 'SIGUSR1');
    expect(await lab.mitKprop({ port })).toMatchObject(succeeded());
    expect(listeningSockets(pid)).toHaveLength(1);
  } finally {
    process.kill(pid, 'SIGKILL');
  }
});

test('kpropd under inetd while it loads: SIGUSR1 and SIGHUP do it no harm', async () => {
  const pidFile = join(lab.replica.folder, 'served');
  const gate = join(lab.replica.folder, 'gate');
  await lab.run('mkfifo', [gate]);
  // The pid is there as a whole or not at all; then it waits until the gate is opened.
  const script = `echo $PPID >'${pidFile}.new'; mv '${pidFile}.new' '${pidFile}'
    read word <'${gate}'; exec /usr/sbin/kdb5_util "$@"`;
  const { acl, fromMaster } = lab.replica;
  const args = ['-a', acl, '-f', fromMaster, '-p', lab.loaderStub(script, 'waiting')];
  const server = await startSuperServer(lab, 'inetd', { program: ourProgram('kpropd'), args });
  const sent = lab.mitKprop({ port: server.port });
  const pid = Number(await textOnceThere(pidFile));
  for (const name of ['SIGUSR1', 'SIGHUP', 'SIGUSR1'] as const) {
    process.kill(pid, name);
    await sleep(50);
  }
  expect(listeningSockets(pid)).toEqual([]);
  await lab.run('sh', ['-c', `echo go >'${gate}'`]);
  expect(await sent).toMatchObject(succeeded());
  await server.stop();
});

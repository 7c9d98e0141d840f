import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';

// Scripts and monitors look for kpropd by its name, which in a Node process is node.

let lab: Lab;
const daemons: number[] = [];
beforeAll(async () => {
  lab = await Lab.create();
});
afterAll(async () => {
  for (const pid of daemons) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
  await lab.close();
});

const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
const found = async (program: string, ...args: readonly string[]) =>
  (await lab.run(program, args)).stdout.trim().split(/\s+/).map(Number);

async function expectNamed(pid: number): Promise<void> {
  expect(await found('pgrep', '-x', 'kpropd')).toContain(pid);
  expect(await found('pidof', 'kpropd')).toContain(pid);
  expect((await lab.run('ps', ['-o', 'args=', '-p', `${pid}`])).stdout).toMatch(/^kpropd -/);
}

test('with -d', async () => {
  const { process, stop } = await lab.startOurKpropd();
  await expectNamed(process.pid);
  await stop();
});

test('as a daemon', async () => {
  const pidFile = join(lab.replica.folder, 'pid');
  const { acl, fromMaster } = lab.replica;
  const args = ['-P', `${await freePort()}`, '-a', acl, '-f', fromMaster, '--pid-file', pidFile];
  const started = await lab.run(process.execPath, [ourProgram('kpropd'), ...args], {
    role: 'replica',
  });
  expect(started).toMatchObject({ status: 0, stderr: '' });
  const pid = Number(readFileSync(pidFile, 'utf8'));
  daemons.push(pid);
  await expectNamed(pid);
});

test('under inetd', async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const args = [ourProgram('kpropd'), '-a', lab.replica.acl, '-f', lab.replica.fromMaster];
  const kpropd = spawn(process.execPath, args, {
    env: lab.env('replica'),
    stdio: [accepted, 'ignore', 'ignore'],
  });
  accepted.destroy();
  await expect.poll(() => nameOf(kpropd.pid as number), { timeout: 10_000 }).toBe('kpropd');
  await expectNamed(kpropd.pid as number);
  peer.destroy();
  await once(kpropd, 'exit');
  server.close();
});

test('kprop has its own', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  await lab.dump();
  const { port } = silent.address() as { port: number };
  const kprop = lab.start(process.execPath, [ourProgram('kprop'), ...lab.kpropArgs({ port })]);
  await expect.poll(() => nameOf(kprop.pid), { timeout: 10_000 }).toBe('kprop');
  await kprop.stop('SIGKILL');
  silent.close();
});

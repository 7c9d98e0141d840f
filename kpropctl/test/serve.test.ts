import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import type { LabProcess } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import { ControlRealm, type Replica } from './realm.ts';

let realm: ControlRealm;
let replica: Replica;
let daemon: LabProcess | undefined;
beforeAll(async () => {
  realm = await ControlRealm.create();
  replica = await realm.addReplica('ours');
  realm.configure();
  await realm.run('run');
  await realm.startKdc(replica);
  await realm.lab.addPrincipals(['user'], 'first');
});
afterEach(async () => {
  await daemon?.stop();
});
afterAll(() => realm.close());

async function serve(relations: Readonly<Record<string, string>>, ...flags: readonly string[]) {
  realm.configure(relations);
  const started = realm.start('serve', ...flags);
  daemon = started;
  await started.until(() => /generation \d+\)/.test(started.stdout), 'the first run');
  return started;
}

const times = (text: string, pattern: RegExp) => text.match(new RegExp(pattern, 'g'))?.length ?? 0;

test('a change of the database is noticed, and nothing else is a reason to run', async () => {
  const started = await serve({ every: '1h', on_change: '1s' });
  await realm.lab.setPassword('user', 'second');
  await started.until(() => started.stdout.includes('(change,'), 'the run');
  await vi.waitFor(async () =>
    expect(
      await realm.lab.run('/usr/bin/kinit', ['-c', 'MEMORY:x', 'user'], {
        input: 'second\n',
        env: replica.site.env(),
      }),
    ).toMatchObject({ status: 0 }),
  );
  // The new key of the canary, which each run makes, is a change as well.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(times(started.stdout, /\(change,/)).toBe(1);
});

test('on a schedule, and now at SIGUSR1', async () => {
  const started = await serve({ every: '1s' });
  await started.until(() => times(started.stdout, /\(schedule,/) >= 2, 'two runs');
  expect(started.stdout).toContain('nothing has changed, and every replica has it.');
  await started.stop();
  const slow = await serve({ every: '1h' });
  slow.signal('SIGUSR1');
  await slow.until(() => slow.stdout.includes('(SIGUSR1,'), 'the run');
  expect(slow.stdout).toContain('1 of 1 replicas are up to date. (SIGUSR1,');
});

test('what asks for a run while one is under way gets one of its own', async () => {
  await realm.lab.addPrincipals(['before-it']);
  realm.configure({ every: '1h', on_success: 'sleep 3' });
  const started = realm.start('serve');
  daemon = started;
  // The hooks belong to the run.
  await started.until(() => / live /.test(started.stdout), 'the replica');
  started.signal('SIGUSR1');
  await started.until(() => started.stdout.includes('(SIGUSR1,'), 'the second run');
  expect(started.stdout).toContain('1 of 1 replicas are up to date. (SIGUSR1,');
});

test('by a cron expression', async () => {
  const started = await serve({ cron: '* * * * * *' });
  await started.until(() => times(started.stdout, /\(schedule,/) >= 2, 'two runs');
});

test('tries again soon after a failure that may mend itself', async () => {
  await replica.kpropd?.stop();
  await realm.lab.addPrincipals(['while-it-is-down']);
  realm.configure({ every: '1h', backoff: '1s 2s' });
  const started = realm.start('serve');
  daemon = started;
  await started.until(() => started.stdout.includes('0 of 1 replicas'), 'the failure');
  await realm.startKpropd(replica, 'ours');
  await started.until(
    () => /1 of 1 replicas are up to date\. \(retry,/.test(started.stdout),
    'the retry',
  );
});

test('SIGHUP: a configuration is read again, or kept with the error said', async () => {
  const started = await serve({ every: '1h' });
  const good = readFileSync(realm.config, 'utf8');
  appendFileSync(realm.config, '[kpropctl]\n    evry = 1s\n');
  started.signal('SIGHUP');
  await started.until(() => started.stdout.includes('kept as it was'), 'the complaint');
  expect(started.stdout).toMatch(
    /kpropctl\.conf:\d+: there is no relation evry: did you mean every\?/,
  );
  writeFileSync(realm.config, good);
  started.signal('SIGHUP');
  await started.until(() => started.stdout.includes('was read again: 1 replicas'), 'the new one');
  expect(started.running).toBe(true);
});

test('SIGHUP: the page moves to its new address, and a page that was killed comes with it', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const started = await serve({ every: '1h', listen: `127.0.0.1:${first}` });
  const health = (port: number) => fetch(`http://127.0.0.1:${port}/healthz`);
  await health(first);
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8');
  process.kill(Number(children.split(' ')[0]), 'SIGKILL');
  await started.until(() => started.stdout.includes('the process of the page ended'), 'its end');
  realm.configure({ every: '1h', listen: `127.0.0.1:${second}` });
  started.signal('SIGHUP');
  await vi.waitFor(async () => expect((await health(second)).status).toBe(200), 20_000);
  await expect(health(first)).rejects.toThrow();
});

test('metrics, status and health over HTTP', async () => {
  const port = await freePort();
  const started = await serve({ every: '1h', listen: `127.0.0.1:${port}` });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  const metrics = await (await get('/metrics')).text();
  expect(metrics).toContain('kpropctl_replica_up{replica="127.0.0.11",realm="LAB.EXAMPLE"} 1');
  expect(metrics.endsWith('# EOF\n')).toBe(true);
  const status = (await (await get('/status.json')).json()) as { replicas: unknown[] };
  expect(status.replicas).toHaveLength(1);
  expect(await (await get('/healthz')).text()).toBe('ok\n');
  expect((await get('/nothing')).status).toBe(404);
  expect(started.running).toBe(true);
});

test('over a socket of this host, which a daemon that was killed had left', async () => {
  const path = join(realm.lab.folder, 'socket');
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const started = await serve({ every: '1h', listen: `unix:${path}` });
    const curl = await realm.lab.run(process.execPath, [
      '-e',
      `require('node:http').get({ socketPath: ${JSON.stringify(path)}, path: '/healthz' }, (r) => r.pipe(process.stdout))`,
    ]);
    expect(curl.stdout).toBe('ok\n');
    started.signal(signal);
    await started.ended;
  }
});

test('log lines as JSON, and a clean end at SIGTERM', async () => {
  const started = await serve({ every: '1h' }, '--json').catch(() => daemon as LabProcess);
  await started.until(() => started.stdout.includes('"about"'), 'a line');
  for (const line of started.stdout.trimEnd().split('\n'))
    expect(JSON.parse(line)).toHaveProperty('at');
  expect(await started.stop('SIGTERM')).toMatchObject({ status: 0 });
});

test('systemd is told when it is ready, and what it does', async () => {
  const path = join(realm.lab.folder, 'notify');
  const listener = realm.lab.start('/usr/bin/python3', [
    '-c',
    `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1])
print("bound",flush=True)
while True: print(s.recv(4096).decode(),flush=True)`,
    path,
  ]);
  await listener.until(() => listener.stdout.includes('bound'), 'the listener');
  realm.configure({ every: '1h' });
  const started = realm.start('serve', { NOTIFY_SOCKET: path, WATCHDOG_USEC: '1000000' });
  daemon = started;
  await listener.until(
    () => /READY=1[\s\S]*STATUS=nothing has changed[\s\S]*WATCHDOG=1/.test(listener.stdout),
    'its words',
  );
  await started.stop('SIGTERM');
  await listener.until(() => listener.stdout.includes('STOPPING=1'), 'the end');
  await listener.stop();
});

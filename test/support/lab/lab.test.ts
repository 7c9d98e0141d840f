import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test, vi } from 'vitest';

import { enctypeNames } from '../wire/enctypes.ts';
import { comparable, Lab, packageRoot } from './lab.ts';

const labs: Lab[] = [];
const opened = async (...o: Parameters<typeof Lab.create>) => {
  const lab = await Lab.create(...o);
  labs.push(lab);
  return lab;
};
afterAll(() => Promise.all(labs.map((lab) => lab.close())));

test.each(enctypeNames)('MIT propagates to MIT with %s and nothing else', async (enctype) => {
  const lab = await opened({ enctype, principals: 3 });
  await lab.addPrincipals(['alice'], 'open sesame');
  const dump = await lab.dump();
  const kpropd = await lab.startMitKpropd();

  const sent = await lab.mitKprop({ port: kpropd.port });

  expect(sent).toMatchObject({ status: 0, stderr: '' });
  expect(sent.stdout).toBe('Database propagation to 127.0.0.1: SUCCEEDED\n');
  // MIT's own names for two of them say more than the names in krb5.conf.
  expect(kpropd.stderr).toMatch(
    new RegExp(`authenticated client: ${lab.client} \\(etype == (DEPRECATED:)?${enctype}\\)`),
  );
  expect(lab.kdcLog('primary')).toMatch(
    new RegExp(`tkt=\\S*${enctype}\\(\\d+\\), ses=\\S*${enctype}\\(\\d+\\)}`),
  );
  expect(comparable(await lab.replicaDump())).toBe(comparable(readFileSync(dump, 'latin1')));
  await kpropd.stop();
});

test("the replica's KDC knows what was propagated, and every name of this host reaches it", async () => {
  const lab = await opened();
  const kpropd = await lab.startMitKpropd();
  await lab.dump();
  expect((await lab.mitKprop({ port: kpropd.port })).status).toBe(0);
  await lab.startReplicaKdc();
  await lab.addPrincipals(['bob'], 'first');
  expect(await lab.kinit('primary', 'bob', 'first')).toMatchObject({ ok: true });
  expect(await lab.kinit('replica', 'bob', 'first')).toMatchObject({
    ok: false,
    error: expect.stringContaining('not found in Kerberos database'),
  });

  await lab.dump();
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const speaksIpv6 = addresses.some(({ address }) => address === '::1');
  if (!speaksIpv6) console.warn('this machine has no ::1: not tried');
  for (const host of ['127.0.0.1', ...(speaksIpv6 ? ['::1'] : []), 'localhost', lab.host]) {
    const sent = await lab.mitKprop({ port: kpropd.port, host });
    expect(sent, host).toMatchObject({ status: 0, stderr: '' });
  }

  expect(await lab.kinit('replica', 'bob', 'first')).toMatchObject({ ok: true });
  await lab.setPassword('bob', 'second');
  expect(await lab.kinit('primary', 'bob', 'second')).toMatchObject({ ok: true });
  expect(await lab.kinit('replica', 'bob', 'second')).toMatchObject({ ok: false });
});

test('a loader of our own runs in place of kdb5_util', async () => {
  const lab = await opened();
  const loader = lab.loaderStub('echo "$@" > "$TMPDIR/said"; exit 3');
  const kpropd = await lab.startMitKpropd({ loader });
  await lab.dump();
  const sent = await lab.mitKprop({ port: kpropd.port });
  expect(sent.status).toBe(1);
  expect(sent.stderr).toContain('while reading response from server');
  expect(readFileSync(join(lab.replica.folder, 'tmp', 'said'), 'utf8')).toBe(
    `-r ${lab.realm} load ${lab.replica.fromMaster}\n`,
  );
});

test('closing ends the processes and removes the folder, also the second time', async () => {
  const lab = await opened();
  const kpropd = await lab.startMitKpropd();
  const worker = lab.start('/bin/sh', ['-c', 'sleep 60 & wait']);
  await lab.close();
  await lab.close();
  expect(existsSync(lab.folder)).toBe(false);
  expect(existsSync(`/proc/${kpropd.process.pid}`)).toBe(false);
  expect(existsSync(`/proc/${worker.pid}`)).toBe(false);
});

test('a lab whose owner is killed leaves neither files nor processes', async () => {
  const args = [join(packageRoot, 'scripts', 'run.mjs'), 'scripts/demo.ts'];
  const owner = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  owner.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  const folder = () => /realm +\S+ in (\S+)/.exec(text)?.[1] ?? '';
  await vi.waitUntil(() => folder() !== '', 30_000);
  const pids = readdirSync(join(folder(), 'processes'));
  expect(pids.length).toBeGreaterThanOrEqual(2); // both KDCs
  owner.kill('SIGKILL');
  const remains = () => [...[folder()].filter((path) => existsSync(path)), ...pids.filter(lives)];
  await vi.waitUntil(() => remains().length === 0, 10_000);
});

// In a container nobody may collect a dead orphan: it stays, as a zombie.
function lives(pid: string): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return false;
  }
}

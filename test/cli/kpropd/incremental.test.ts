import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

import { IpropLab, type IpropReplica, type PollerOptions } from '../../support/lab/iprop-lab.ts';
import { type LabProcess, ourProgram } from '../../support/lab/lab.ts';

// kpropd as a program that polls: its options, and what it leaves behind.

let iprop: IpropLab;
let count = 0;
const running: LabProcess[] = [];
beforeAll(async () => {
  iprop = await IpropLab.create({ principals: 2 });
  await iprop.kadmin(['addprinc -pw a alice', 'addprinc -randkey kiprop/::1']);
});
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.stop();
});
afterAll(() => iprop.close());

async function replicaInStep(): Promise<IpropReplica> {
  count += 1;
  const replica = await iprop.addReplica(`replica-${count}`);
  await iprop.resyncByHand(replica);
  return replica;
}

async function kadmindFor({ kpropPort }: IpropReplica, kprop = ourProgram('kprop')): Promise<void> {
  running.push(await iprop.startKadmind(kprop, kpropPort));
}

function start(replica: IpropReplica, o: PollerOptions = {}): LabProcess {
  const kpropd = iprop.startKpropd('ours', replica, o);
  running.push(kpropd);
  return kpropd;
}

const seen = (kpropd: LabProcess, pattern: RegExp, times = 1) =>
  kpropd.until(
    () => (kpropd.stderr.match(new RegExp(pattern, 'g'))?.length ?? 0) >= times,
    `${pattern} × ${times}`,
  );
const stateOf = ({ site }: IpropReplica) =>
  JSON.parse(readFileSync(`${site.fromMaster}.status`, 'utf8')).incremental;

test('a numeric IPv6 address of the primary works, with a port or without', async () => {
  const replica = await replicaInStep();
  await kadmindFor(replica);
  for (const address of ['[::1]', '[::1]:749', '::1']) {
    const kpropd = start(replica, { args: ['-t', '-A', address] });
    expect(await kpropd.ended, address).toMatchObject({ status: 0 });
    expect(kpropd.stderr).toContain('KDC is synchronized with primary.');
  }
});

test('its state file: owner only, replaced as a whole, with what is wrong and what to do', async () => {
  const replica = await replicaInStep();
  const kpropd = start(replica);
  await seen(kpropd, /Sleeping 4 seconds/);
  await vi.waitFor(() =>
    expect(stateOf(replica)).toMatchObject({
      primary: 'localhost',
      pollSeconds: 1,
      lastError: {
        code: 'iprop.unreachable',
        remedy: expect.stringContaining('on localhost, start kadmind'),
      },
    }),
  );
  expect(stateOf(replica)).not.toHaveProperty('inStep');
  const { site, kpropPort } = replica;
  const places = ['-P', `${kpropPort}`, '-a', site.acl, '-f', site.fromMaster];
  const checked = await iprop.lab.run(
    process.execPath,
    [ourProgram('kpropd'), '--check', ...places],
    { env: site.env() },
  );
  expect(checked.stdout).toMatch(/✗ the poll of \S+Z failed: .*\n {4}on localhost, start kadmind/);
  await kadmindFor(replica);
  await iprop.kadmin(['modprinc -maxlife 3h alice']);
  kpropd.signal('SIGUSR1');
  await seen(kpropd, /KDC is synchronized/);
  await vi.waitFor(() => {
    const state = stateOf(replica);
    expect(state).not.toHaveProperty('lastError');
    expect(state).toMatchObject({ applied: 1, lagSeconds: 0, resyncing: false });
    expect(Date.parse(state.inStep)).toBeGreaterThan(Date.now() - 10_000);
  });
  expect(stateOf(replica).serial).toBe(await iprop.lastSerial('primary'));
  expect(statSync(`${replica.site.fromMaster}.status`).mode & 0o777).toBe(0o600);
});

test.each([
  ['-F', '04', (path: string) => ['-F', path]],
  ['-x dbname', '05', (path: string) => ['-x', `dbname=${path}`]],
] as const)('%s names the database that is updated', async (_, hours, args) => {
  const replica = await replicaInStep();
  const { site } = replica;
  const folder = join(site.folder, 'elsewhere');
  mkdirSync(folder);
  const other = join(folder, 'database');
  for (const part of ['', '.ok', '.kadm5', '.kadm5.lock']) {
    copyFileSync(site.database + part, other + part);
  }
  await kadmindFor(replica);
  await iprop.kadmin([`modprinc -maxlife ${Number(hours)}h alice`]);
  const kpropd = start(replica, { args: ['-t', ...args(other)] });
  expect(await kpropd.ended).toMatchObject({ status: 0 });
  expect(kpropd.stderr).toMatch(/Incremental updates: [1-9]/);
  const lifeIn = async (database: string) => {
    const query = ['-d', database, '-q', 'getprinc alice'];
    const { stdout } = await iprop.lab.run('/usr/sbin/kadmin.local', query, { env: site.env() });
    return /Maximum ticket life: .*/.exec(stdout)?.[0];
  };
  expect(await lifeIn(other)).toBe(`Maximum ticket life: 0 days ${hours}:00:00`);
  expect(await lifeIn(site.database)).not.toBe(await lifeIn(other));
});

test('without libkdb5 it says so, serves full propagations, and does not poll', async () => {
  const replica = await replicaInStep();
  await kadmindFor(replica);
  const libraries = join(replica.site.folder, 'libraries');
  mkdirSync(libraries);
  writeFileSync(join(libraries, 'libkdb5.so.10'), 'not a library');
  const kpropd = start(replica, {
    env: { LD_LIBRARY_PATH: libraries },
    // kdb5_util needs that library, too.
    args: ['--load=native', '--verify=never'],
  });
  await seen(kpropd, /the library of the Kerberos database cannot be used/);
  expect(kpropd.stderr).toContain('apt-get install krb5-kdc');
  await iprop.lab.dump();
  const sent = await iprop.lab.ourKprop({ port: replica.kpropPort });
  expect(sent).toMatchObject({ status: 0 });
  expect(kpropd.stderr).not.toContain('Calling iprop_get_updates');
});

test('a resync that cannot be loaded is asked for again, later each time, and not while it is on its way', async () => {
  const replica = await replicaInStep();
  const { site } = replica;
  await iprop.lab.run('/usr/sbin/kproplog', ['-R'], { env: site.env() });
  const late = join(site.folder, 'late-kprop');
  writeFileSync(late, `#!/bin/sh\nsleep 2\nexec ${ourProgram('kprop')} "$@"\n`, { mode: 0o755 });
  await kadmindFor(replica, late);
  const kpropd = start(replica, { args: ['--load=kdb5_util', '-p', '/bin/false'] });
  const moments: number[] = [];
  for (const times of [1, 2, 3, 4]) {
    await seen(kpropd, /Full resync request granted/, times);
    moments.push(performance.now());
  }
  // 2 s until each comes, and 1, 2 and 4 s after each that failed.
  const [first = 0, second = 0, , last = 0] = moments;
  expect(second - first).toBeLessThan(60_000);
  expect(last - first).toBeGreaterThan(11_500);
  const story = kpropd.stderr.match(/request granted|bad exit status/g) ?? [];
  expect(story.slice(0, 7)).toEqual(
    Array.from({ length: 7 }, (_, at) => (at % 2 === 0 ? 'request granted' : 'bad exit status')),
  );
  expect(kpropd.stderr).not.toContain('KDC is synchronized');
});

test('a resync that is being loaded is not asked for a second time', async () => {
  const replica = await replicaInStep();
  const { site } = replica;
  const conf = readFileSync(site.krb5Conf, 'utf8');
  writeFileSync(
    site.krb5Conf,
    conf.replace('iprop_port', 'iprop_resync_timeout = 1\n    iprop_port'),
  );
  await iprop.lab.run('/usr/sbin/kproplog', ['-R'], { env: site.env() });
  await kadmindFor(replica);
  const slow = join(site.folder, 'slow');
  writeFileSync(slow, '#!/bin/sh\nsleep 4\nexec /usr/sbin/kdb5_util "$@"\n', { mode: 0o755 });
  const args = ['--load=complete', '-p', slow, '--timeout=60'];
  const kpropd = start(replica, { args });
  await seen(kpropd, /KDC is synchronized/);
  expect(kpropd.stderr).toContain('Still waiting for full resync');
  expect(kpropd.stderr.match(/Full resync request granted/g)).toHaveLength(1);
});

test('SIGKILL of kpropd leaves no process behind', async () => {
  const replica = await replicaInStep();
  await kadmindFor(replica);
  const kpropd = start(replica);
  await seen(kpropd, /KDC is synchronized/);
  const children = readFileSync(`/proc/${kpropd.pid}/task/${kpropd.pid}/children`, 'utf8');
  const pids = children.trim().split(' ').map(Number);
  expect(pids.length).toBeGreaterThan(0);
  kpropd.signal('SIGKILL');
  await kpropd.ended;
  await vi.waitFor(() => {
    for (const pid of pids) expect(isAlive(pid)).toBe(false);
  });
});

test('under a storm of SIGUSR1 it polls, and is in step at the end', async () => {
  const replica = await replicaInStep();
  await kadmindFor(replica);
  const kpropd = start(replica);
  await seen(kpropd, /KDC is synchronized/);
  for (let number = 0; number < 20; number += 1) {
    if (number % 5 === 0) await iprop.kadmin([`modprinc -maxlife ${number + 1}h alice`]);
    kpropd.signal('SIGUSR1');
    await sleep(20);
  }
  await vi.waitFor(async () =>
    expect(await iprop.lastSerial(replica.site)).toBe(await iprop.lastSerial('primary')),
  );
  expect(kpropd.running).toBe(true);
});

/** Not a zombie either, which is what is left where nobody waits for orphans. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { packageRoot } from '../support/lab/lab.ts';
import { untilGone } from './host.ts';

// docker-compose.yml with either make of Compose, as a person runs it.
const project = `kprop${randomBytes(3).toString('hex')}`;
const [program, ...before] =
  spawnSync('docker', ['compose', 'version']).status === 0
    ? ['docker', 'compose']
    : ['docker-compose'];

function compose(args: readonly string[], input = ''): SpawnSyncReturns<string> {
  return spawnSync(program as string, [...before, '-p', project, ...args], {
    cwd: packageRoot,
    encoding: 'utf8',
    env: { ...process.env, KPROP_EVERY: '2' },
    input,
    timeout: 150_000,
  });
}

function must(args: readonly string[], input?: string): string {
  const { status, stdout, stderr } = compose(args, input);
  if (status !== 0) throw new Error(`compose ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

const run = (service: string, script: string, input?: string) =>
  compose(['exec', '-T', service, 'sh', '-c', script], input);

function health(service: string): string {
  const id = must(['ps', '-q', service]).trim();
  const inspect = ['inspect', '--format', '{{.State.Health.Status}}', id];
  return spawnSync('docker', inspect, { encoding: 'utf8' }).stdout.trim();
}

const services = ['kdc1', 'kdc1-kprop', 'kdc2', 'kdc2-kpropd', 'kdc3', 'client'];
const patience = { timeout: 90_000, interval: 1000 };

/** A ticket of a user from one KDC and no other. */
function kinit(kdc: string, password: string): SpawnSyncReturns<string> {
  const one = `sed '/^    kdc = /d; s/^  PLAY.TEST = {/&\\n kdc = ${kdc}/' $KRB5_CONFIG >/tmp/one.conf`;
  const script = `${one}; KRB5_CONFIG=/tmp/one.conf timeout 20 kinit -c MEMORY: alice`;
  return run('client', script, `${password}\n`);
}

beforeAll(() => {
  must(['config', '-q']);
  must(['up', '-d']);
});
afterAll(() =>
  // Compose says no where the engine does: a network that still has an endpoint.
  untilGone(async () => must(['down', '--volumes', '--timeout', '1'])),
);

test('every service becomes healthy: the first propagations have arrived', async () => {
  for (const service of services) {
    await expect.poll(() => health(service), { ...patience, message: service }).toBe('healthy');
  }
  for (const kdc of ['kdc1.play.test', 'kdc2.play.test', 'kdc3.play.test']) {
    expect(kinit(kdc, 'wonderland'), kdc).toMatchObject({ status: 0 });
  }
});

test('a password changed with kadmin is soon valid everywhere, and only there where it can arrive', async () => {
  const acl = '/etc/krb5kdc/kpropd.acl';
  const password = randomUUID();
  const breaks = `{ [ -e ${acl}.kept ] || cp ${acl} ${acl}.kept; } && : >${acl}`;
  expect(run('kdc2-kpropd', breaks).status).toBe(0);
  const kadmin = `kadmin -p admin/admin -w looking-glass -q 'cpw -pw ${password} alice'`;
  expect(run('client', kadmin).stdout).toContain('changed');

  await expect.poll(() => kinit('kdc3.play.test', password).status, patience).toBe(0);
  await expect.poll(() => health('kdc1-kprop'), patience).toBe('unhealthy');
  expect(kinit('kdc2.play.test', password).stderr).toContain('Password incorrect');
  expect(must(['logs', '--no-color', 'kdc2-kpropd'])).toContain('Rejected connection');

  expect(run('kdc2-kpropd', `mv ${acl}.kept ${acl}`).status).toBe(0);
  await expect.poll(() => kinit('kdc2.play.test', password).status, patience).toBe(0);
  await expect.poll(() => health('kdc1-kprop'), patience).toBe('healthy');
});

test('nothing runs as root but what has to', () => {
  const ids = (service: string) =>
    run(service, 'for p in /proc/[0-9]*; do echo $(stat -c %u $p) $(cat $p/comm); done').stdout;
  for (const service of ['kdc1', 'kdc1-kprop', 'kdc2', 'kdc2-kpropd']) {
    expect(ids(service), service).not.toMatch(/^0 /m);
  }
  expect(ids('kdc3')).toMatch(/^754 kpropd$/m);
  expect(ids('kdc3')).toMatch(/^754 krb5kdc$/m);
});

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { otherReplica } from '../src/run/other-replica.ts';
import { ControlRealm, program, type Replica } from './realm.ts';

// A name with a stale address leads to another replica, which takes the database twice.

let realm: ControlRealm;
let there: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  there = await realm.addReplica('ours', { host: 'kdc2.kprop.test' });
  // Its host is down, and the address is another one's.
  await realm.addReplica('ours', { host: 'kdc3.kprop.test' });
  realm.configure(
    {},
    { 'kdc3.kprop.test': { port: `${there.kpropPort}`, kdc: `127.0.0.1:${there.kdcPort}` } },
  );
});
afterAll(() => realm.close());

/** kpropctl on a host with these lines in /etc/hosts, and MIT's defaults for names. */
function runWith(hosts: string, ...args: readonly string[]) {
  const { lab } = realm;
  const file = join(lab.folder, 'hosts');
  writeFileSync(file, `127.0.0.1 localhost\n127.0.0.21 ${lab.host}\n${hosts}`);
  const conf = join(lab.folder, 'default-names.conf');
  copyFileSync(lab.primary.krb5Conf, conf);
  writeFileSync(
    conf,
    readFileSync(conf, 'utf8').replace(/.*(dns_canonicalize_hostname|rdns).*\n/g, ''),
  );
  const script = 'mount --bind "$1" /etc/hosts; shift; exec "$@"';
  const [command = '', ...rest] = args;
  const words = [process.execPath, program, command, '--config', realm.config, ...rest];
  return lab.run('unshare', ['--mount', 'sh', '-c', script, 'sh', file, ...words], {
    env: { KRB5_CONFIG: conf },
  });
}

const stale = '127.0.0.11 kdc2.kprop.test\n127.0.0.11 kdc3.kprop.test\n';

test('a run does not take the one for the other, and doctor says so', async () => {
  const report = JSON.parse((await runWith(stale, 'run', '--json')).stdout);
  expect(report.replicas).toMatchObject([
    { host: 'kdc2.kprop.test', state: 'current' },
    { host: 'kdc3.kprop.test', state: 'failed', error: { code: 'network.unexpected-host' } },
  ]);
  const { findings } = JSON.parse((await runWith(stale, 'doctor', '--json')).stdout);
  expect(findings).toContainEqual(
    expect.objectContaining({
      ...{ on: 'kdc3.kprop.test', check: 'name', state: 'failure' },
      what: expect.stringContaining('that is kdc2.kprop.test, another replica'),
    }),
  );
  // Also if only that one is asked for.
  const one = JSON.parse((await runWith(stale, 'run', '--json', 'kdc3.kprop.test')).stdout);
  expect(one.replicas).toMatchObject([{ state: 'failed' }]);
});

test('an alias is no other replica', () => {
  const hosts = ['kdc2.kprop.test', 'kerberos-2.kprop.test', 'kdc3'];
  const principal = 'host/kdc9.kprop.test@LAB.EXAMPLE';
  expect(otherReplica('kerberos-2.kprop.test', principal, hosts)).toBeUndefined();
  expect(otherReplica('kdc3', 'host/kdc3.kprop.test@LAB.EXAMPLE', hosts)).toBeUndefined();
  expect(otherReplica('kdc3', 'host/kdc2.kprop.test@LAB.EXAMPLE', hosts)).toBe('kdc2.kprop.test');
});

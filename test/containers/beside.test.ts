import { spawnSync } from 'node:child_process';

import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { expectSeesBreaking } from './breaking.ts';
import { untilGone } from './host.ts';
import { ContainerRealm } from './realm.ts';

let realm: ContainerRealm;
const beside: StartedTestContainer[] = [];

beforeAll(async () => {
  realm = await ContainerRealm.create(['kdc2', 'kdc3']);
});
afterAll(async () => {
  for (const container of beside) await untilGone(() => container.stop({ timeout: 0 }));
  await realm?.close();
});

test('our kpropd beside a KDC container whose database belongs to root', async () => {
  const mounts = [
    { source: realm.volume('kdc2', 'etc'), target: '/etc/krb5kdc' },
    { source: realm.volume('kdc2', 'database'), target: '/var/lib/krb5kdc' },
  ];
  // As of any image that knows nothing of ours: everything is root's. (An empty volume would be
  // given to krb5 again when it is mounted for the second time.)
  const command = `touch /var/lib/krb5kdc/kadm5.dict
    chown -R root:root /var/lib/krb5kdc /etc/krb5kdc; exec kdc-host kdc`;
  const existing = await new GenericContainer('kprop/mit-kdc')
    .withName(realm.shortNameOf('kdc2'))
    .withHostname(realm.nameOf('kdc2'))
    .withNetworkMode(realm.network)
    .withUser('root')
    .withBindMounts(mounts)
    .withCommand(['sh', '-c', command])
    .withWaitStrategy(Wait.forLogMessage('no database yet'))
    .start();
  realm.adopt('kdc2', existing, 'root');

  const ours = await new GenericContainer('kprop/kprop')
    .withNetworkMode(`container:${existing.getId()}`)
    .withUser('root')
    .withBindMounts(mounts)
    .withCommand(['kpropd'])
    .withWaitStrategy(Wait.forLogMessage('waiting for a kprop connection'))
    .start();
  beside.push(ours);

  for (const kprop of ['ours', 'mit'] as const) {
    await realm.expectPropagates(kprop, 'kdc2');
    await expectSeesBreaking(realm, kprop, 'kdc2');
  }
  await expect
    .poll(() => realm.host('kdc2').run(['kdc-healthy', 'kdc']))
    .toMatchObject({
      exitCode: 0,
    });
  expect(await realm.kinit('kdc2', 'alice', 'wonderland')).toMatchObject({ exitCode: 0 });
});

/** docker, and what it said. @throws Error when it fails */
function docker(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

test('a replica as in packaging/kubernetes: no root, no capability, nothing but volumes to write to', async () => {
  const locked = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'];
  const id = docker(
    ...['run', '--detach', ...locked, '--user', '754:754'],
    ...['--name', realm.shortNameOf('kdc3'), '--hostname', realm.nameOf('kdc3')],
    ...['--network', realm.network, '--tmpfs', '/tmp:mode=1777', '--tmpfs', '/var/tmp:mode=1777'],
    ...['--volume', `${realm.volume('kdc3', 'etc')}:/etc/krb5kdc:ro`],
    ...['--volume', `${realm.volume('kdc3', 'database')}:/var/lib/krb5kdc`],
    ...['kprop/kprop', 'kdc', 'kpropd'],
  );
  try {
    const healthy = () => spawnSync('docker', ['exec', id, 'kdc-healthy']).status;
    // Without a database it says so, which is as good an answer.
    const list = 'kadmin.local -q listprincs 2>&1 || true';
    const principals = () => docker('exec', id, 'sh', '-c', list);
    const listens = "cat /proc/net/tcp /proc/net/tcp6 | grep -q ':02F2 .* 0A '";
    await expect.poll(() => spawnSync('docker', ['exec', id, 'sh', '-c', listens]).status).toBe(0);
    expect(healthy(), 'ready before it has a database').toBe(1);
    for (const kprop of ['ours', 'mit'] as const) {
      const mark = await realm.mark();
      await realm.dump();
      expect(principals()).not.toContain(mark);
      expect(await realm.kprop(kprop, 'kdc3')).toMatchObject({ exitCode: 0 });
      expect(principals()).toContain(mark);
    }
    await expect.poll(healthy).toBe(0);
    expect(await realm.kinit('kdc3', 'alice', 'wonderland')).toMatchObject({ exitCode: 0 });
  } finally {
    docker('rm', '--force', '--volumes', id);
  }
});

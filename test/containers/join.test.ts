import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { NewReplica } from '../../kpropctl/test/new-replica.ts';
import { ControlRealm } from '../../kpropctl/test/realm.ts';
import { listens } from '../support/lab/lab-process.ts';
import { SystemdHost } from '../support/lab/systemd-host.ts';
import { buildPackages, debianRoot, type Packages } from './built-packages.ts';

// A new host of Debian, with MIT's packages, ours and a kit: what join enables and starts there.

let folder: string;
let packages: Packages;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-join-'));
  packages = await buildPackages(folder);
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let realm: ControlRealm | undefined;
let host: SystemdHost | undefined;
afterEach(async () => {
  await host?.close();
  await realm?.close();
});

test.each([
  // Debian enables its units when it installs them, and they fail without a realm.
  ['bookworm', ['krb5-kdc.service', 'krb5-kpropd.service'], 'krb5-kpropd.service'],
  ['trixie', [], 'kpropd.service'],
])('a new replica of Debian %s, where %j start at boot, by %s', async (release, enabled, unit) => {
  realm = await ControlRealm.create();
  await realm.lab.addPrincipals(['before'], 'pass word');
  const replica = await NewReplica.create(realm);
  expect(await replica.kit('--with-stash')).toMatchObject({ status: 0 });
  host = await SystemdHost.bootRoot(realm.lab, {
    root: debianRoot(release),
    name: `new-${release}`,
    site: replica.site,
    files: {
      '/srv/kprop.deb': readFileSync(packages.kprop),
      '/srv/kpropctl.deb': readFileSync(packages.kpropctl),
      '/srv/kit': readFileSync(replica.kitFile),
      '/srv/passphrase': readFileSync(replica.passphraseFile),
      '/etc/default/krb5-kpropd': `DAEMON_ARGS="-P ${replica.kpropPort}"\n`,
    },
  });
  await host.must('apt-get', ['-y', '-q', 'install', '/srv/kprop.deb', '/srv/kpropctl.deb']);
  for (const each of enabled) await host.must('systemctl', ['enable', each]);
  // As a host is that was installed without a database: its KDC could not start.
  await host.run('systemctl', ['start', 'krb5-kdc.service']);
  await host.must('chmod', ['600', '/srv/passphrase']);

  const options = ['--passphrase-file', '/srv/passphrase', '--host', replica.host, '--keep'];
  const joining = host.run('kpropctl', ['join', '/srv/kit', ...options, '--yes', '--wait=5m']);
  await expect.poll(() => listens(replica.kpropPort)).toBe(true);
  const run = await replica.run();
  expect(run.stdout + run.stderr).toMatch(/\blive\b/);

  const joined = await joining;
  expect(joined.stdout + joined.stderr).toContain(`${replica.host} is a replica.`);
  expect(joined.status).toBe(0);
  const ask = async (question: string, one: string) =>
    (await (host as SystemdHost).run('systemctl', [question, one])).stdout.trim();
  for (const each of [unit, 'krb5-kdc.service']) {
    expect(await ask('is-enabled', each), each).toBe('enabled');
    expect(await ask('is-active', each), each).toBe('active');
  }
  // Two that conflict would not both start.
  const other = unit === 'kpropd.service' ? 'krb5-kpropd.service' : 'kpropd.service';
  expect(await ask('is-enabled', other)).toBe('disabled');
  expect(await replica.kinit('before', 'pass word')).toMatchObject({ status: 0 });
});

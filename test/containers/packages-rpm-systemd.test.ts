import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import { freePort, listens } from '../support/lab/lab-process.ts';
import { succeeded } from '../support/lab/pairings.ts';
import { SystemdHost } from '../support/lab/systemd-host.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';
import { buildPackages, debianRoot, type Packages } from './built-packages.ts';
import { slowLoad } from './slow-load.ts';

// What the scripts of the packages of RPM do with systemd. rpm runs them in a chroot, where systemctl does
// nothing; so its steps are done by hand, on a host with Debian's paths and a kprop.service like Fedora's.

let folder: string;
let lab: Lab;
let port: number;
let host: SystemdHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-rpm-systemd-'));
  const packages = await buildPackages(folder, { kind: 'rpm' });
  lab = await Lab.create({ principals: 100 });
  await lab.dump();
  port = await freePort();
  host = await SystemdHost.bootRoot(lab, {
    root: debianRoot('bookworm'),
    name: 'rpm-host',
    site: lab.replica,
    files: {
      '/etc/hostname': `${hostname()}\n`,
      '/etc/hosts': readFileSync('/etc/hosts'),
      '/etc/sysconfig/kprop': `KPROPD_ARGS="-P ${port}"\n`,
      '/usr/lib/systemd/system/kprop.service': unitOfFedora,
      '/srv/slow': slowLoad,
      ...filesOf('kprop', packages),
      ...filesOf('kpropctl', packages),
    },
  });
  await sh('chmod +x /srv/slow');
}, 900_000);
afterAll(async () => {
  await host?.close();
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
});

const unitOfFedora = `[Service]
Type=forking
EnvironmentFile=-/etc/sysconfig/kprop
ExecStart=/usr/sbin/kpropd $KPROPD_ARGS
`;

/** A package in parts: its files, and its scripts. */
function filesOf(name: keyof Packages, packages: Packages) {
  const file = packages[name];
  const query = (tag: string) => execFileSync('rpm', ['-qp', '--queryformat', `%{${tag}}`, file]);
  execFileSync('rpm2archive', [file], { stdio: 'pipe' });
  return {
    [`/srv/${name}.tgz`]: readFileSync(`${file}.tgz`),
    [`/srv/${name}.post`]: query('POSTIN'),
    [`/srv/${name}.preun`]: query('PREUN'),
    [`/srv/${name}.postun`]: query('POSTUN'),
  };
}

const sh = (script: string) => host.must('sh', ['-ec', script]);

/** As rpm does. The paths of kprop.json are not those of this host. */
const install = (name: keyof Packages) =>
  sh(`cd /; tar -xzf /srv/${name}.tgz --exclude ./etc; sh -e /srv/${name}.post 1`);
const erase = (name: keyof Packages) =>
  sh(`sh -e /srv/${name}.preun 0
    cd /; tar -tzf /srv/${name}.tgz | grep -v '/$' | xargs rm -f
    sh -e /srv/${name}.postun 0`);

const shown = async (unit: string, property: string) =>
  (await host.must('systemctl', ['show', `--property=${property}`, '--value', unit])).trim();
const runs = async (unit = 'kprop') =>
  (await sh(`readlink /proc/${await shown(unit, 'MainPID')}/exe`)).trim();

const up = () => expect.poll(() => listens(port)).toBe(true);
const ours = '/usr/lib/kprop/executable';
const mits = /\/usr\/sbin\/kpropd$/;

test("an installation waits for MIT's propagation, and restarts kprop.service with ours then", async () => {
  await sh('systemctl start kprop');
  await up();
  const proxy = await startProxy(port, { from: 'client', afterBytes: 5000, fate: 'hold' });
  const sending = lab.mitKprop({ port: proxy.port, env: {} });
  await proxy.struck;
  const installing = install('kprop');
  const moved = () => host.run('ls', ['/usr/sbin/kpropd.mit']);
  await expect.poll(moved).toMatchObject({ status: 0 });
  await sleep(3000);
  expect(await runs()).toMatch(/\/kpropd\.mit$/);
  proxy.release();
  expect(await sending).toMatchObject(succeeded());
  await proxy.close();
  await installing;
  await up();
  expect(await runs()).toBe(ours);
});

test("a removal waits for our load, and restarts kprop.service with MIT's then", async () => {
  const set = (args: string) => sh(`echo 'KPROPD_ARGS="-P ${port} ${args}"' >/etc/sysconfig/kprop`);
  await install('kprop');
  await set('--load=complete -p /srv/slow');
  await sh('systemctl restart kprop');
  await set('');
  await up();
  const sending = lab.mitKprop({ port, env: {} });
  await expect.poll(() => host.run('ls', ['/run/loading'])).toMatchObject({ status: 0 });
  await erase('kprop');
  expect(await sending).toMatchObject(succeeded());
  await up();
  expect(await runs()).toMatch(mits);
  expect(await shown('kprop', 'KillMode')).toBe('control-group');
  await sh('systemctl stop kprop');
});

test("an administrator's own kpropd.service goes on, and stays enabled; one of ours does not", async () => {
  await install('kprop');
  await sh(`systemctl enable kpropd.socket
    cat >/etc/systemd/system/kpropd.service <<END
[Service]
ExecStart=/usr/sbin/kpropd -D -P ${port}
[Install]
WantedBy=multi-user.target
END
    systemctl daemon-reload; systemctl enable --now kpropd.service`);
  await up();
  expect(await runs('kpropd')).toBe(ours);
  await erase('kprop');
  await up();
  expect(await runs('kpropd')).toMatch(mits);
  expect(await sh('systemctl is-enabled kpropd.service')).toBe('enabled\n');
  expect(await sh('find /etc/systemd -name kpropd.socket')).toBe('');
  await sh('systemctl disable --now kpropd; rm /etc/systemd/system/kpropd.service');
});

test('kpropctl: an upgrade restarts the daemon, and no timer or link is left at the end', async () => {
  const unit =
    '[Service]\\nType=simple\\nWatchdogSec=0\\nExecStart=\\nExecStart=/bin/sleep 1000\\n';
  await install('kpropctl');
  await sh(`mkdir -p /etc/systemd/system/kpropctl.service.d /var/kerberos/krb5kdc
    printf '${unit}' >/etc/systemd/system/kpropctl.service.d/own.conf
    systemctl daemon-reload; systemctl enable --now kpropctl.service kpropctl-run.timer`);
  const before = await shown('kpropctl.service', 'MainPID');
  await install('kpropctl');
  expect(await shown('kpropctl.service', 'MainPID')).not.toBe(before);
  await erase('kpropctl');
  for (const each of ['kpropctl.service', 'kpropctl-run.timer']) {
    expect(await shown(each, 'ActiveState')).toBe('inactive');
  }
  expect(await sh('find /etc/systemd -type l -name "kpropctl*"')).toBe('');
});

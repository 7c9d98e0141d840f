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
import { buildPackages, debianRoot } from './built-packages.ts';
import { slowLoad } from './slow-load.ts';

// What can go wrong while a package is installed, upgraded or removed: a library that is missing, somebody
// else's diversion, an interruption, a propagation or a load under way, units and options of one's own.

let folder: string;
let lab: Lab;
let port: number;
let host: SystemdHost;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-bad-day-'));
  const built = await buildPackages(folder);
  lab = await Lab.create({ principals: 100 });
  port = await freePort();
  host = await SystemdHost.bootRoot(lab, {
    root: debianRoot('bookworm'),
    name: 'bad-day',
    site: lab.replica,
    files: {
      '/etc/hostname': `${hostname()}\n`,
      '/etc/hosts': readFileSync('/etc/hosts'),
      '/srv/kprop.deb': readFileSync(built.kprop),
      '/srv/kpropctl.deb': readFileSync(built.kpropctl),
      '/srv/slow': slowLoad,
    },
  });
  await mustSh('chmod +x /srv/slow');
  await options();
}, 900_000);
afterAll(async () => {
  await host?.close();
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
});

const ours = '/usr/lib/kprop/executable';

const sh = (script: string) => host.run('sh', ['-c', script]);
const mustSh = (script: string) => host.must('sh', ['-c', script]);

/** Sets the options of Debian's unit, and of its script for sysvinit. */
const options = (more = '') =>
  mustSh(
    `echo 'DAEMON_ARGS="-P ${port} ${more}"' >/etc/default/krb5-kpropd
     cp /etc/default/krb5-kpropd /etc/default/kpropd`,
  );

const shown = async (unit: string, property: string) =>
  (await host.must('systemctl', ['show', `--property=${property}`, '--value', unit])).trim();

/** Which file a process is. Its root is no mount of its own here. */
const fileOf = async (pid: string) =>
  (await host.must('readlink', [`/proc/${pid}/exe`])).trim().replace(/^.*\/root(?=\/usr\/)/, '');

const runs = async (unit = 'krb5-kpropd.service') => fileOf(await shown(unit, 'MainPID'));

const up = () => expect.poll(() => listens(port)).toBe(true);

/** All at MIT's places is a file of MIT's, and nothing is diverted. */
async function expectMits(): Promise<void> {
  expect(await mustSh('readlink -f /usr/sbin/kprop /usr/sbin/kpropd /usr/sbin/kproplog')).toBe(
    '/usr/sbin/kprop\n/usr/sbin/kpropd\n/usr/sbin/kproplog\n',
  );
  expect(await mustSh('find /usr/sbin /usr/share/man -name "kprop*.mit*"')).toBe('');
  expect(await mustSh('dpkg-divert --list "*kprop*"')).not.toContain('by kprop');
}

async function send(to = port) {
  await lab.addPrincipals([`added${performance.now()}`.replace('.', '-')]);
  await lab.dump();
  return lab.mitKprop({ port: to, env: {} });
}

/** A propagation that stands still until it is released. */
async function held() {
  const proxy = await startProxy(port, { from: 'client', afterBytes: 5000, fate: 'hold' });
  const sending = send(proxy.port);
  await proxy.struck;
  return {
    finish: async () => {
      proxy.release();
      expect(await sending).toMatchObject(succeeded());
      await proxy.close();
    },
  };
}

const status = async () => (await sh('dpkg -s kprop | sed -n "s/^Status: //p"')).stdout.trim();

test("without a library dpkg does not touch MIT's programs", async () => {
  const database = '/var/lib/dpkg/status';
  await mustSh(`cp ${database} /srv/status
    sed -i '/^Package: libatomic1$/,/^$/s/^Status:.*/Status: deinstall ok config-files/' ${database}`);
  const { status: exit, stderr } = await sh('dpkg -i /srv/kprop.deb');
  expect(exit).not.toBe(0);
  expect(stderr).toContain('libatomic1');
  await expectMits();
  await mustSh(`cp /srv/status ${database}`);
});

test("somebody else's diversion: nothing is installed, and nothing is left", async () => {
  const own = '--local --no-rename --divert /usr/sbin/kproplog.own /usr/sbin/kproplog';
  await mustSh(`dpkg-divert --add ${own}`);
  const { status: exit, stderr } = await sh('dpkg -i /srv/kprop.deb');
  expect(exit).not.toBe(0);
  expect(stderr).toContain('kproplog.own');
  await expectMits();
  expect(await status()).not.toContain('reinst');
  await mustSh(`dpkg-divert --remove ${own}`);
});

test("a dpkg that is killed while it unpacks leaves MIT's programs in use", async () => {
  await mustSh(
    'dpkg -i /srv/kprop.deb & until [ -L /usr/sbin/kproplog ]; do :; done; kill -KILL $!',
  );
  expect(await mustSh('readlink -f /usr/sbin/kprop /usr/sbin/kpropd')).toBe(
    '/usr/sbin/kprop.mit\n/usr/sbin/kpropd.mit\n',
  );
  expect((await sh('kprop')).stderr).toContain('Usage: kprop');
  await mustSh('dpkg -i /srv/kprop.deb');
  expect(await mustSh('readlink -f /usr/sbin/kprop')).toBe(`${ours}\n`);
  await mustSh('dpkg -r kprop');
  await expectMits();
});

test('an installation after a removal waits for the propagation to an MIT kpropd on another port', async () => {
  await mustSh('systemctl start krb5-kpropd');
  await up();
  const { finish } = await held();
  const installing = mustSh('dpkg -i /srv/kprop.deb');
  await expect.poll(status).toBe('install ok half-configured');
  await sleep(3000);
  expect(await runs()).toBe('/usr/sbin/kpropd.mit');
  await finish();
  await installing;
  await up();
  expect(await runs()).toBe(ours);
  expect(await send()).toMatchObject(succeeded());
});

test("a removal waits for the load under way, and says if MIT's kpropd does not start", async () => {
  await mustSh('dpkg -i /srv/kprop.deb');
  await options('--load=complete -p /srv/slow');
  await mustSh('systemctl restart krb5-kpropd');
  await up();
  const sending = send();
  await expect.poll(() => sh('ls /run/loading')).toMatchObject({ status: 0 });
  const { stderr } = await sh('dpkg -r kprop');
  expect(await sending).toMatchObject(succeeded());
  expect(stderr).toContain("krb5-kpropd.service does not run with MIT's kpropd");
  expect(stderr).toContain('remove that from /etc/default/krb5-kpropd');
  await expectMits();
  await options();
  await mustSh('systemctl start krb5-kpropd');
  await up();
  expect(await runs()).toBe('/usr/sbin/kpropd');
  expect(await shown('krb5-kpropd.service', 'KillMode')).toBe('control-group');
  expect(await mustSh('ls /run/systemd/system')).not.toContain('krb5-kpropd');
  await mustSh('systemctl stop krb5-kpropd');
});

test("an administrator's own kpropd.service goes on, and stays enabled after a purge", async () => {
  await mustSh(`cat >/etc/systemd/system/kpropd.service <<END
[Service]
ExecStart=/usr/sbin/kpropd -D -P ${port}
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload; systemctl enable --now kpropd`);
  await up();
  await mustSh('dpkg -i /srv/kprop.deb');
  await up();
  expect(await runs('kpropd.service')).toBe(ours);
  await mustSh('dpkg -r kprop');
  await up();
  expect(await runs('kpropd.service')).toBe('/usr/sbin/kpropd');
  await mustSh('dpkg -P kprop');
  expect(await host.must('systemctl', ['is-enabled', 'kpropd'])).toBe('enabled\n');
  await mustSh('systemctl disable --now kpropd; rm /etc/systemd/system/kpropd.service');
});

test('kpropctl: an upgrade restarts the daemon, a purge leaves no timer, link or state', async () => {
  const unit =
    '[Service]\\nType=simple\\nWatchdogSec=0\\nExecStart=\\nExecStart=/bin/sleep 1000\\n';
  await mustSh(`dpkg -i /srv/kprop.deb /srv/kpropctl.deb
    mkdir -p /etc/systemd/system/kpropctl.service.d
    printf '${unit}' >/etc/systemd/system/kpropctl.service.d/own.conf
    systemctl daemon-reload
    systemctl enable --now kpropctl.service kpropctl-run.timer`);
  const before = await shown('kpropctl.service', 'MainPID');
  await mustSh('dpkg -i /srv/kpropctl.deb');
  expect(await shown('kpropctl.service', 'MainPID')).not.toBe(before);
  expect(await shown('kpropctl.service', 'ActiveState')).toBe('active');
  expect(await mustSh('ls -d /var/lib/kpropctl')).toContain('kpropctl');
  await mustSh('dpkg -r kpropctl');
  for (const each of ['kpropctl.service', 'kpropctl-run.timer']) {
    expect(await shown(each, 'ActiveState')).toBe('inactive');
  }
  await mustSh('ls -d /var/lib/kpropctl && dpkg -P kpropctl');
  const left = 'find /etc/systemd /var/lib -name "*kpropctl*" ! -path "*/dpkg/*" ! -name "*.d"';
  expect(await mustSh(`${left} ! -name own.conf`)).toBe('');
});

test('sysvinit: upgrade and removal wait for the propagation, and start no kpropd that was stopped', async () => {
  // As on a host that systemd has not booted, in runlevel 2.
  const sysvinit = (script: string) => `unshare --mount sh -c '
    mount -t tmpfs tmpfs /run/systemd
    rm -f /usr/sbin/runlevel; printf "#!/bin/sh\\necho N 2\\n" >/usr/sbin/runlevel
    chmod +x /usr/sbin/runlevel
    ${script}'`;
  const pid = async () => (await mustSh('cat /run/kpropd.pid')).trim();
  await mustSh(sysvinit('dpkg -i /srv/kprop.deb && /etc/init.d/krb5-kpropd start'));
  await up();
  const first = await pid();
  expect(await fileOf(first)).toBe(ours);
  const { finish } = await held();
  const upgrading = mustSh(sysvinit('dpkg -i /srv/kprop.deb'));
  await expect.poll(status).toBe('install ok half-configured');
  await sleep(2000);
  expect(listens(port)).toBe(true);
  await finish();
  await upgrading;
  await expect.poll(async () => await fileOf(await pid())).toBe(ours);
  expect(await pid()).not.toBe(first);
  await up();

  const again = await held();
  const removing = mustSh(sysvinit('dpkg -r kprop'));
  await sleep(3000);
  expect(listens(port)).toBe(true);
  await again.finish();
  await removing;
  await expect.poll(async () => await fileOf(await pid())).toBe('/usr/sbin/kpropd');
  await up();

  // What is stopped in another way leaves its file.
  await mustSh('kill $(cat /run/kpropd.pid)');
  await expect.poll(() => listens(port)).toBe(false);
  await mustSh('echo 999999 >/run/kpropd.pid');
  await mustSh(sysvinit('dpkg -i /srv/kprop.deb && dpkg -r kprop'));
  await sleep(1000);
  expect(listens(port)).toBe(false);
  await expectMits();
});

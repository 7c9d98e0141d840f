import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { IpropLab, type IpropReplica } from '../support/lab/iprop-lab.ts';
import type { Lab } from '../support/lab/lab.ts';
import { listens } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { runKprop, succeeded } from '../support/lab/pairings.ts';
import { SystemdHost } from '../support/lab/systemd-host.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';
import { buildPackages, debianRoot, type Packages } from './built-packages.ts';

// Hosts of Debian with its own units, paths and packages, on which `apt install` of ours is all that is done.

let folder: string;
let first: Packages;
let second: Packages;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-packages-'));
  first = await buildPackages(join(folder, 'first'));
  second = await buildPackages(join(folder, 'second'), { version: '99.0.0' });
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const executable = '/usr/lib/kprop/executable';
const makes: readonly Make[] = ['mit', 'ours'];

describe.each(['bookworm', 'trixie'])('Debian %s', (release) => {
  let iprop: IpropLab;
  let lab: Lab;
  let site: IpropReplica;
  let replica: SystemdHost;
  let primary: SystemdHost;
  let added = 0;
  let before: string;

  beforeAll(async () => {
    iprop = await IpropLab.create({ principals: 100 });
    lab = iprop.lab;
    site = await iprop.addReplica('polling');
    const common = {
      '/etc/hostname': `${hostname()}\n`,
      '/etc/hosts': readFileSync('/etc/hosts'),
      '/srv/first.deb': readFileSync(first.kprop),
      '/srv/second.deb': readFileSync(second.kprop),
      '/srv/kpropctl.deb': readFileSync(first.kpropctl),
    };
    replica = await SystemdHost.bootRoot(lab, {
      root: debianRoot(release),
      name: `replica-${release}`,
      site: site.site,
      files: {
        ...common,
        '/etc/default/krb5-kpropd': `DAEMON_ARGS="-P ${site.kpropPort}"\n`,
        // An MIT kpropd that polls takes no plain dump.
        '/etc/krb5.conf': readFileSync(site.site.krb5Conf, 'utf8').replace(
          'iprop_enable = true',
          'iprop_enable = false',
        ),
      },
    });
    const database = readdirSync(lab.primary.folder).filter((name) => name.startsWith('principal'));
    primary = await SystemdHost.bootRoot(lab, {
      root: debianRoot(release),
      name: `primary-${release}`,
      site: lab.primary,
      files: {
        ...common,
        '/etc/cron.d/propagate.sh': cronScript(site.kpropPort),
        '/var/lib/krb5kdc/kadm5.acl': readFileSync(join(lab.primary.folder, 'kadm5.acl')),
        ...Object.fromEntries(
          database.map((name) => [
            `/var/lib/krb5kdc/${name}`,
            readFileSync(join(lab.primary.folder, name)),
          ]),
        ),
      },
    });
    before = await listing(replica);
  });
  afterAll(async () => {
    await replica?.close();
    await primary?.close();
    await lab?.close();
  });

  const nextName = () => {
    added += 1;
    return `added${added}`;
  };

  /** Which file the kpropd is that Debian's unit runs. */
  async function kpropdRuns(): Promise<string> {
    const show = ['show', '--property=MainPID', '--value', 'krb5-kpropd.service'];
    const pid = (await replica.must('systemctl', show)).trim();
    const file = (await replica.must('readlink', [`/proc/${pid}/exe`])).trim();
    // Its root is no mount of its own here.
    return file.replace(/^.*\/root(?=\/usr\/)/, '');
  }

  /** A change on the primary of the lab, sent by both kprops of this machine, arrives. */
  async function expectPropagation(): Promise<void> {
    for (const make of makes) {
      const name = nextName();
      await lab.addPrincipals([name]);
      await lab.dump();
      expect(await runKprop(lab, make, { port: site.kpropPort, env: {} })).toMatchObject(
        succeeded(),
      );
      await expectHas(name);
    }
  }

  /** A change on the host that is a primary, sent by the script of its administrator, arrives. */
  async function expectCronPropagates(): Promise<void> {
    const name = nextName();
    await primary.must('kadmin.local', ['-q', `addprinc -randkey ${name}`]);
    expect(await primary.must('sh', ['/etc/cron.d/propagate.sh'])).toContain('SUCCEEDED');
    await expectHas(name);
  }

  async function expectHas(name: string): Promise<void> {
    const there = await replica.must('kadmin.local', ['-q', `getprinc ${name}`]);
    expect(there).toContain(`Principal: ${name}@`);
  }

  const apt = (host: SystemdHost, ...args: readonly string[]) =>
    host.must('apt-get', ['-y', '-q', ...args]);

  test("before: MIT's programs", async () => {
    await replica.must('systemctl', ['start', 'krb5-kpropd.service']);
    await expect.poll(() => listens(site.kpropPort)).toBe(true);
    expect(await kpropdRuns()).toBe('/usr/sbin/kpropd');
    await expectPropagation();
    await expectCronPropagates();
  });

  test('apt install, nothing else: the kpropd that runs is ours, with the options of /etc/default', async () => {
    await apt(replica, 'install', '/srv/first.deb');
    await expect.poll(() => listens(site.kpropPort)).toBe(true);
    expect(await kpropdRuns()).toBe(executable);
    expect(await replica.must('kpropd', ['--version'])).toContain(executable);
    await expectPropagation();
    expect(await replica.journal('kpropd')).toContain('Connection from');
    await expectCronPropagates();
  });

  test('the unchanged script of a primary runs ours', async () => {
    await apt(primary, 'install', '/srv/first.deb');
    await expectCronPropagates();
    // It would fail if it did not.
    await primary.must('chmod', ['-x', executable]);
    expect((await primary.run('sh', ['/etc/cron.d/propagate.sh'])).status).not.toBe(0);
    await primary.must('chmod', ['+x', executable]);
  });

  test('kadmind runs ours for a full resynchronization', async () => {
    const dump = '/var/lib/krb5kdc/resync';
    const args = ['-nofork', '-proponly', '-k', `${site.kpropPort}`, '-F', dump];
    const kadmind = primary.start('kadmind', args);
    const polls = (whether: string) =>
      replica.must('sed', [
        '-i',
        `s/iprop_enable = .*/iprop_enable = ${whether}/`,
        '/etc/krb5.conf',
      ]);
    try {
      await kadmind.until(() => listens(iprop.kadmindPort), 'kadmind');
      // Our kpropd asks for it, as its database is of another origin.
      await polls('true');
      await replica.must('systemctl', ['restart', 'krb5-kpropd.service']);
      const name = nextName();
      await primary.must('kadmin.local', ['-q', `addprinc -randkey ${name}`]);
      const found = async () =>
        (await replica.run('kadmin.local', ['-q', `getprinc ${name}`])).stdout;
      await expect.poll(found).toContain(`Principal: ${name}@`);
      expect(await primary.must('ls', ['/var/lib/krb5kdc'])).toMatch(/^resync.*last_prop$/m);
      expect(await primary.must('readlink', ['-f', '/usr/sbin/kprop'])).toBe(`${executable}\n`);
    } finally {
      kadmind.kill();
      await kadmind.ended;
      await polls('false');
      await replica.must('systemctl', ['restart', 'krb5-kpropd.service']);
      await expect.poll(() => listens(site.kpropPort)).toBe(true);
    }
  });

  test('a kpropd whose files an upgrade replaces goes on, if nobody may restart it', async () => {
    await replica.must('sh', ['-c', "printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d"]);
    await replica.must('chmod', ['+x', '/usr/sbin/policy-rc.d']);
    await apt(replica, 'install', '/srv/second.deb');
    expect(await kpropdRuns()).toMatch(/ \(deleted\)$/);
    await expectPropagation();
    await replica.must('rm', ['/usr/sbin/policy-rc.d']);
  });

  test('an upgrade waits for the propagation under way, and restarts kpropd then', async () => {
    await replica.must('systemctl', ['restart', 'krb5-kpropd.service']);
    await expect.poll(() => listens(site.kpropPort)).toBe(true);
    const name = nextName();
    await lab.addPrincipals([name]);
    await lab.dump();
    const plan = { from: 'client', afterBytes: 5000, fate: 'hold' } as const;
    const proxy = await startProxy(site.kpropPort, plan);
    const sending = lab.mitKprop({ port: proxy.port, env: {} });
    await proxy.struck;
    const upgrade = apt(replica, 'install', '--allow-downgrades', '/srv/first.deb');
    // The old one does not listen any more, and is not gone.
    await expect.poll(() => listens(site.kpropPort)).toBe(false);
    expect(await kpropdRuns()).toMatch(/ \(deleted\)$/);
    proxy.release();
    expect(await sending).toMatchObject(succeeded());
    await proxy.close();
    await expectHas(name);
    await upgrade;
    await expect.poll(() => listens(site.kpropPort)).toBe(true);
    expect(await kpropdRuns()).toBe(executable);
    await expectPropagation();
  });

  test('kpropctl comes with the same Node and library', async () => {
    await apt(primary, 'install', '/srv/kpropctl.deb');
    expect(await primary.must('kpropctl', ['--version'])).toMatch(/^\d/);
    await apt(primary, 'purge', 'kpropctl');
  });

  test("apt remove: MIT's programs are back, and run", async () => {
    await apt(replica, 'remove', 'kprop');
    await expect.poll(() => listens(site.kpropPort)).toBe(true);
    expect(await kpropdRuns()).toBe('/usr/sbin/kpropd');
    await expectPropagation();
    // Ours to MIT's, and then MIT's to MIT's.
    await expectCronPropagates();
    await apt(primary, 'remove', 'kprop');
    await expectCronPropagates();
  });

  test('apt purge leaves nothing', async () => {
    await apt(replica, 'purge', 'kprop');
    await replica.must('systemctl', ['stop', 'krb5-kpropd.service']);
    const after = (await listing(replica)).split('\n');
    const known = new Set(before.split('\n'));
    // What MIT's own programs made meanwhile.
    const ofMit = / \/var\/lib\/krb5kdc\//;
    expect(after.filter((line) => !known.has(line) && !ofMit.test(` ${line}`))).toEqual([]);
    const left = new Set(after);
    expect([...known].filter((line) => !left.has(line) && !ofMit.test(` ${line}`))).toEqual([]);
    expect(await replica.must('dpkg-divert', ['--list'])).not.toContain('kprop');
  });
});

/** What an administrator has, with MIT's words alone. */
function cronScript(port: number): string {
  const dump = '/var/lib/krb5kdc/replica_datatrans';
  return `set -e\nkdb5_util dump ${dump}\nkprop -P ${port} -f ${dump} 127.0.0.1\n`;
}

/** All files of a host but those that work of any kind leaves. */
function listing(host: SystemdHost): Promise<string> {
  const left = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp', '/var/log', '/var/cache'];
  const dpkg = ['/var/lib/dpkg', '/var/lib/apt', '/var/lib/systemd', '/srv'];
  const skipped = [...left, ...dpkg].map((path) => `-path ${path}`).join(' -o ');
  return host.must('sh', [
    '-c',
    `find / \\( ${skipped} \\) -prune -o -printf '%p %M %l\\n' | sort`,
  ]);
}

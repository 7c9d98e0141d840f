import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { buildPackages, debianRoot } from './built-packages.ts';

// The packages of RPM, on a root with its own database of packages, in which MIT's programs come from a
// package of that kind, too: krb5-server, as Fedora and Red Hat call it.

const executable = '/usr/lib/kprop/executable';
const programs = ['kprop', 'kpropd', 'kproplog'];

let folder: string;
let root: string;
let lab: Lab;
let kpropd: Kpropd;
let ours: string;
let mits: readonly [string, string];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-rpm-'));
  ours = (await buildPackages(join(folder, 'ours'), { kind: 'rpm' })).kprop;
  mits = [mitPackage(1), mitPackage(2)];
  root = overlay(debianRoot('bookworm'));
  lab = await Lab.create({ principals: 100 });
  await lab.dump();
  kpropd = await lab.startMitKpropd();
  mkdirSync(join(root, lab.folder), { recursive: true });
  execFileSync('mount', ['--bind', lab.folder, join(root, lab.folder)]);
}, 900_000);

afterAll(async () => {
  await kpropd?.stop();
  if (root !== undefined) {
    execFileSync('umount', ['--recursive', root]);
    execFileSync('umount', [join(folder, 'layers')]);
  }
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A root that can be changed, over one that stays as it is. */
function overlay(lower: string): string {
  const [layers, merged] = [join(folder, 'layers'), join(folder, 'merged')];
  for (const path of [layers, merged]) mkdirSync(path);
  // No layer can be changed that lies on an overlay, which /tmp may be.
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', layers]);
  const [upper, work] = [join(layers, 'upper'), join(layers, 'work')];
  for (const path of [upper, work]) mkdirSync(path);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, merged]);
  // By which a program finds its own file.
  execFileSync('mount', ['-t', 'proc', 'proc', join(merged, 'proc')]);
  return merged;
}

/** MIT's programs of this machine as a package of RPM. */
function mitPackage(release: number): string {
  const top = join(folder, `mit-${release}`);
  mkdirSync(top);
  const spec = join(top, 'krb5-server.spec');
  const places = programs.map((name) => `/usr/sbin/${name}`);
  writeFileSync(
    spec,
    `Name: krb5-server
Version: 1.20.1
Release: ${release}
Summary: MIT's programs
License: MIT
AutoReqProv: no
%description
MIT's programs.
%install
mkdir -p %{buildroot}/usr/sbin
cp ${places.join(' ')} %{buildroot}/usr/sbin/
%files
${places.join('\n')}
`,
  );
  const settings = {
    _topdir: top,
    _rpmdir: top,
    _rpmfilename: 'krb5-server.rpm',
    __os_install_post: '%{nil}',
    debug_package: '%{nil}',
  };
  const defines = Object.entries(settings).flatMap((pair) => ['--define', pair.join(' ')]);
  execFileSync('rpmbuild', ['-bb', '--quiet', ...defines, spec], { stdio: 'pipe' });
  return join(top, 'krb5-server.rpm');
}

/** Debian's rpm asks to be told that this is meant. What else MIT's packages need, Debian's have brought. */
function rpm(...args: readonly string[]): void {
  const debian = ['--force-debian', '--nodeps'];
  execFileSync('rpm', ['--root', root, ...debian, ...args], { stdio: 'pipe' });
}

const inRoot = (command: string, ...args: readonly string[]) =>
  execFileSync('chroot', [root, command, ...args], { encoding: 'utf8', stdio: 'pipe' });

const leadsTo = (name: string) => inRoot('readlink', '-f', `/usr/sbin/${name}`).trim();

/** What a script of the administrator runs in the root: a propagation to MIT's kpropd of the lab. */
async function expectPropagation(): Promise<void> {
  const sent = await lab.run('chroot', [root, '/usr/sbin/kprop', ...lab.kpropArgs(kpropd)]);
  expect(sent).toMatchObject({
    status: 0,
    stdout: 'Database propagation to 127.0.0.1: SUCCEEDED\n',
  });
}

function expectOurs(): void {
  for (const name of programs) expect(leadsTo(name)).toBe(executable);
  expect(inRoot('/usr/sbin/kpropd', '--version')).toContain(executable);
}

function expectMits(): void {
  for (const name of programs) expect(leadsTo(name)).toBe(`/usr/sbin/${name}`);
  expect(inRoot('find', '/usr/sbin', '-name', 'kprop*.mit')).toBe('');
}

test("rpm --install: the programs at MIT's places are ours, and propagate", async () => {
  rpm('--upgrade', mits[0]);
  expectMits();
  await expectPropagation();
  rpm('--install', ours);
  expectOurs();
  await expectPropagation();
});

test('paths and units are those of Fedora', async () => {
  const { stderr } = await lab.run('chroot', [root, '/usr/sbin/kprop', '127.0.0.1']);
  expect(stderr).toContain('/var/kerberos/krb5kdc/replica_datatrans');
  const unit = inRoot('cat', '/usr/lib/systemd/system/kpropd.service');
  expect(unit).toContain('\nReadWritePaths=/var/kerberos/krb5kdc\n');
  expect(unit).toContain('\nEnvironmentFile=-/etc/sysconfig/kpropd\n');
  expect(unit).toContain('\nConflicts=kadmin.service kprop.service\n');
  const configuration = execFileSync('rpm', ['-qp', '--configfiles', ours], { encoding: 'utf8' });
  expect(configuration).toBe('/etc/kprop.json\n');
});

test("an upgrade of MIT's package leaves ours there, and so does ours once more", async () => {
  rpm('--upgrade', mits[1]);
  expectOurs();
  rpm('--reinstall', ours);
  expectOurs();
  await expectPropagation();
});

test("rpm --erase: MIT's are back, and nothing is left", async () => {
  rpm('--erase', 'kprop');
  expectMits();
  await expectPropagation();
  expect(inRoot('find', '/usr/lib', '/etc', '-name', 'kprop*')).toBe('');
});

test("without MIT's package ours stays, and goes without a trace", async () => {
  rpm('--install', ours);
  rpm('--erase', 'krb5-server');
  expectOurs();
  await expectPropagation();
  rpm('--erase', 'kprop');
  expect(inRoot('find', '/usr/sbin', '/usr/lib', '-name', 'kprop*')).toBe('');
});

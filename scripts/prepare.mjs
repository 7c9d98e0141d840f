// Prepares a fresh clone for the tests, the bench and the demo, and says what it does.
// Plain JavaScript without dependencies: nothing but Node is there yet.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  aptGet,
  installing,
  missingPackages,
  onPath,
  rootPrefix,
  runs as runShown,
} from './machine.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const leastNode = [20, 19];
const kerberosBinary = join(root, 'node_modules/kerberos/build/Release/kerberos.node');

// What is needed, and the Debian package that has it.
const machineNeeds = [
  { package: 'krb5-kdc', files: ['/usr/sbin/krb5kdc', '/usr/sbin/kdb5_util'] },
  { package: 'krb5-admin-server', files: ['/usr/sbin/kadmin.local', '/usr/sbin/kprop'] },
  { package: 'krb5-kpropd', files: ['/usr/sbin/kpropd'] },
  { package: 'krb5-user', files: ['/usr/bin/kinit', '/usr/bin/klist', '/usr/bin/ktutil'] },
  { package: 'libkrb5-dev', files: ['/usr/include/gssapi/gssapi.h', '/usr/include/krb5.h'] },
  { package: 'build-essential', commands: ['g++', 'gcc'] },
  { package: 'make', commands: ['make'] },
  { package: 'python3', commands: ['python3'] },
  { package: 'chromium', files: ['/usr/bin/chromium'] },
  { package: 'curl', commands: ['curl'] },
  { package: 'iproute2', commands: ['ip'] },
  { package: 'util-linux', commands: ['unshare', 'nsenter', 'setpriv'] },
  { package: 'strace', commands: ['strace'] },
  { package: 'age', commands: ['age'] },
  { package: 'mount', commands: ['mount', 'umount'] },
  { package: 'mandoc', commands: ['mandoc'] },
  { package: 'zsh', commands: ['zsh'] },
  { package: 'fish', commands: ['fish'] },
  { package: 'systemd', files: ['/usr/bin/systemd-analyze'] },
];

// Installed, they would conflict with each other and start to serve: the tests run unpacked copies.
const superServers = [
  { package: 'openbsd-inetd', program: 'usr/sbin/inetd' },
  { package: 'xinetd', program: 'usr/sbin/xinetd' },
  // promtool, which checks kpropctl's rules and metrics.
  { package: 'prometheus', program: 'usr/bin/promtool' },
];

requireNode();
prepareMachine();
preparePackages();
prepareSuperServers();
prepareBuild();

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = leastNode;
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  fail(
    `this is Node ${process.versions.node}; kprop needs Node ${leastNode.join('.')} or newer.`,
    'Install a current release of Node and run the same command again.',
  );
}

function prepareMachine() {
  const missing = missingPackages(machineNeeds);
  if (missing.length === 0) return;
  const install = installing(missing);
  const byHand = [
    'as root:',
    `  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get ${install.join(' ')}`,
  ];
  if (!onPath('apt-get')) {
    fail(`this machine lacks what these Debian packages contain: ${missing.join(' ')}`);
  }
  const asRoot = rootPrefix();
  if (asRoot === undefined) fail(`packages are missing: ${missing.join(' ')}`, ...byHand);

  say(`installing packages of this system: ${missing.join(' ')}`);
  say('(where systemd runs, Debian may enable their services; nothing here uses those)');
  if (!runs([...aptGet(asRoot), 'update'])) say('apt-get update failed; trying to go on');
  if (!runs([...aptGet(asRoot), ...install])) fail('apt-get install failed; run', ...byHand);
  const still = missingPackages(machineNeeds);
  if (still.length > 0) fail(`installed, but still not found: ${still.join(' ')}`);
}

function preparePackages() {
  if (!installedAsLocked()) {
    say('installing npm packages as package-lock.json says');
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    if (!runs(['npm', 'ci', ...quiet], buildEnvironment())) {
      // It needs the metadata of the other systems' packages, too, which not every registry has.
      say('npm ci failed; trying npm install with the same versions');
      const install = ['npm', 'install', '--no-save', ...quiet];
      if (!runs(install, buildEnvironment())) fail('npm could not install the packages; see above');
    }
    if (!installedAsLocked()) fail('node_modules is still not what package-lock.json says');
  }
  if (existsSync(kerberosBinary)) return;
  say('building the optional package kerberos');
  const rebuild = ['npm', 'rebuild', 'kerberos', '--foreground-scripts'];
  if (!runs(rebuild, buildEnvironment()) || !existsSync(kerberosBinary)) {
    fail('the optional package kerberos, which the tests use, could not be built; see above');
  }
}

function prepareSuperServers() {
  for (const { package: name, program } of superServers) {
    const folder = join(root, 'node_modules/.cache/kprop/super-servers', name);
    if (existsSync(join(folder, program))) continue;
    say(`unpacking ${name} and the libraries that it needs into node_modules/.cache`);
    if (unpackTo(folder, name)) continue;
    say('that failed; trying again after apt-get update');
    runs([...aptGet(rootPrefix() ?? []), 'update']);
    if (!unpackTo(folder, name)) fail(`the package ${name} could not be fetched; see above`);
  }
}

/** Downloads a Debian package with its missing dependencies and unpacks them without installing them. */
function unpackTo(folder, name) {
  const archives = `${folder}.archives`;
  const unpacked = `${folder}.unpacked`;
  for (const old of [folder, archives, unpacked]) rmSync(old, { recursive: true, force: true });
  mkdirSync(join(archives, 'partial'), { recursive: true });
  const apart = ['-o', `Dir::Cache::archives=${archives}`, '-o', 'Debug::NoLocking=1'];
  const fetch = ['install', '-y', '--no-install-recommends', '--download-only', '--reinstall'];
  if (!runs(['apt-get', '-qq', ...apart, ...fetch, name])) return false;
  for (const file of readdirSync(archives).filter((one) => one.endsWith('.deb'))) {
    if (!runs(['dpkg-deb', '-x', join(archives, file), unpacked])) return false;
  }
  rmSync(archives, { recursive: true });
  renameSync(unpacked, folder);
  return true;
}

function prepareBuild() {
  const build = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--if-older'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (build.status !== 0) fail('the build failed');
}

/** Whether node_modules has the versions of package-lock.json; packages for other systems may be missing. */
function installedAsLocked() {
  const packagesIn = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  const locked = packagesIn('package-lock.json');
  let installed;
  try {
    installed = packagesIn('node_modules/.package-lock.json');
  } catch {
    return false;
  }
  // kerberos is optional, so npm says nothing when its build fails; the tests need it.
  return Object.entries(locked).every(([path, { version, optional }]) => {
    if (path === '') return true;
    const there = existsSync(join(root, path)) ? installed[path] : undefined;
    if (there === undefined) return optional === true && path !== 'node_modules/kerberos';
    return there.version === version;
  });
}

/** Lets node-gyp use the headers of this Node, if they are installed, instead of downloading them. */
function buildEnvironment() {
  const prefix = dirname(dirname(process.execPath));
  const headers = existsSync(join(prefix, 'include/node/node_api.h'));
  return headers ? { ...process.env, npm_config_nodedir: prefix } : process.env;
}

function runs(command, env = process.env) {
  return runShown(command, { cwd: root, env, say });
}

function say(text) {
  console.log(`prepare: ${text}`);
}

function fail(...lines) {
  console.error(`prepare: ${lines.join('\nprepare: ')}`);
  process.exit(1);
}

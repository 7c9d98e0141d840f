// Roots of Debian with MIT's packages and systemd, for the tests of our own packages: made once, and
// kept in node_modules/.cache.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { fail, needs, rootPrefix, runs, say } from './machine.mjs';

// What a KDC host of Debian has, and what the executable of our packages is linked with.
const packages = [
  ...['krb5-kdc', 'krb5-admin-server', 'krb5-kpropd', 'krb5-user', 'netbase'],
  ...['systemd', 'systemd-sysv', 'libatomic1', 'libstdc++6'],
];

/** The folder of each root, by the name of the release. */
export const roots = (clone) => ({
  bookworm: join(clone, 'node_modules/.cache/kprop/roots/bookworm'),
  trixie: join(clone, 'node_modules/.cache/kprop/roots/trixie'),
});

/** Makes those that are missing. */
export function prepareRoots(clone) {
  for (const [release, folder] of Object.entries(roots(clone))) {
    if (existsSync(folder)) continue;
    say(`making a root of Debian ${release}`);
    makeRoot(release, folder);
  }
}

function makeRoot(release, folder) {
  needs([{ package: 'mmdebstrap', commands: ['mmdebstrap'] }]);
  const asRoot = rootPrefix();
  if (asRoot === undefined) fail(`only root can make a root of Debian ${release}`);
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(join(folder, '..'), { recursive: true });
  const options = ['--quiet', '--variant=minbase', `--include=${packages.join(',')}`, ...proxy()];
  if (!runs([...asRoot, 'mmdebstrap', ...options, release, unfinished])) {
    fail(`mmdebstrap could not make a root of Debian ${release}; see above`);
  }
  renameSync(unfinished, folder);
}

/** This machine's proxy for apt, which does not belong into what is made. */
export function proxy() {
  const dump = ['dump', '--no-empty', 'Acquire::http::Proxy'];
  const found = spawnSync('apt-config', dump, { encoding: 'utf8' }).stdout?.trim();
  return [
    ...(found ? [`--aptopt=${found}`] : []),
    '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"',
  ];
}

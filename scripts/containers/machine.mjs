// Output of the container scripts, and the Debian packages that they need.

import { existsSync, rmSync, writeFileSync } from 'node:fs';

import {
  aptGet,
  installing,
  missingPackages,
  onPath,
  rootPrefix,
  runs as runShown,
} from '../machine.mjs';

export { rootPrefix, works } from '../machine.mjs';

const policy = '/usr/sbin/policy-rc.d';

/** Installs the Debian packages of what is missing, without starting their services. */
export function needs(wanted) {
  const missing = missingPackages(wanted);
  if (missing.length === 0) return;
  const install = installing(missing);
  const byHand = `apt-get update && apt-get ${install.join(' ')}`;
  const asRoot = rootPrefix();
  if (asRoot === undefined || !onPath('apt-get')) {
    fail(`packages are missing: ${missing.join(' ')}. As root on Debian: ${byHand}`);
  }
  say(`installing packages of this system: ${missing.join(' ')}`);
  // Otherwise Debian's docker.io would start an engine, which nobody would stop.
  const forbid = process.getuid?.() === 0 && !existsSync(policy);
  if (forbid) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    runs([...aptGet(asRoot), 'update']);
    if (!runs([...aptGet(asRoot), ...install])) fail(`that failed; as root: ${byHand}`);
  } finally {
    if (forbid) rmSync(policy);
  }
  const still = missingPackages(wanted);
  if (still.length > 0) fail(`installed, and still not found: ${still.join(' ')}`);
}

/** Runs a command to its end and shows its output. */
export function runs(command) {
  return runShown(command, { say });
}

export function say(text) {
  console.log(`containers: ${text}`);
}

export function fail(text) {
  throw new Error(text);
}

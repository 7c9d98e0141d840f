// What this machine has, and how to get what it lacks.

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const policy = '/usr/sbin/policy-rc.d';

/** Installs the Debian packages of what is missing, without starting their services. */
export function needs(wanted) {
  const missing = wanted.filter(isMissing).map((need) => need.package);
  if (missing.length === 0) return;
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  const byHand = `apt-get update && apt-get ${install.join(' ')}`;
  const asRoot = rootPrefix();
  if (asRoot === undefined || !onPath('apt-get')) {
    fail(`packages are missing: ${missing.join(' ')}. As root on Debian: ${byHand}`);
  }
  say(`installing packages of this system: ${missing.join(' ')}`);
  const quiet = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q'];
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  // Debian's docker.io would start an engine that nobody here asked for and nobody would stop.
  const forbid = process.getuid?.() === 0 && !existsSync(policy);
  if (forbid) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    runs([...asRoot, ...quiet, ...wait, 'update']);
    if (!runs([...asRoot, ...quiet, ...wait, ...install])) fail(`that failed; as root: ${byHand}`);
  } finally {
    if (forbid) rmSync(policy);
  }
  const still = wanted.filter(isMissing).map((need) => need.package);
  if (still.length > 0) fail(`installed, and still not found: ${still.join(' ')}`);
}

function isMissing({ files = [], commands = [] }) {
  return !files.every((file) => existsSync(file)) || !commands.every(onPath);
}

export function onPath(command) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return [...folders, '/usr/sbin', '/usr/bin'].some((folder) => existsSync(join(folder, command)));
}

/** The words that make a command run as root, or undefined where there is no way. */
export function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return onPath('sudo') && works('sudo', ['-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/** Runs a command to its end, its output shown. */
export function runs([command, ...args], options = {}) {
  const { status, error } = spawnSync(command, args, {
    ...options,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined) say(`${command}: ${error.message}`);
  return status === 0;
}

/** Whether a command succeeds, its output dropped. */
export function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 120_000 }).status === 0;
}

export function say(text) {
  console.log(`containers: ${text}`);
}

export function fail(text) {
  throw new Error(text);
}

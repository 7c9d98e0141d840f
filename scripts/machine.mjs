// What this machine has, and how to get what it lacks; for the scripts that set something up.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What of the needs is not there: each names the Debian package that brings its files and commands. */
export function missingPackages(needs) {
  return needs.filter(isMissing).map((need) => need.package);
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

/** apt-get as root, quietly, and patient with others who use it. */
export function aptGet(asRoot) {
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  return [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...wait];
}

/** What apt-get is to do for packages. */
export function installing(packages) {
  return ['install', '-y', '--no-install-recommends', ...packages];
}

/** Runs a command to its end, its output shown; `say` tells of one that cannot be run. */
export function runs([command, ...args], { say, ...options }) {
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

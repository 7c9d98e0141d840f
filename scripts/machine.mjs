// Finds and installs what this machine lacks, for the scripts that set something up.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Debian packages of those needs whose files or commands are missing. */
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

/** The prefix that runs a command as root, or undefined if that is not possible. */
export function rootPrefix() {
  if (process.getuid?.() === 0) return [];
  return onPath('sudo') && works('sudo', ['-n', 'true']) ? ['sudo', '-n'] : undefined;
}

/** apt-get as root, quiet, and waiting while another program uses it. */
export function aptGet(asRoot) {
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  return [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...wait];
}

/** The arguments with which apt-get installs packages. */
export function installing(packages) {
  return ['install', '-y', '--no-install-recommends', ...packages];
}

/** Runs a command to its end and shows its output; `say` reports one that cannot be started. */
export function runs([command, ...args], { say, ...options }) {
  const { status, error } = spawnSync(command, args, {
    ...options,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error !== undefined) say(`${command}: ${error.message}`);
  return status === 0;
}

/** Whether a command succeeds; its output is dropped. */
export function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 120_000 }).status === 0;
}

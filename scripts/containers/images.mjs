// The images of packaging/containers/ and of the tests, and their two base images: pulled if a
// registry can be reached, else made here under the same names.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { stageControl } from './control.mjs';
import { fail, needs, rootPrefix, runs, say, works } from './machine.mjs';
import { proxy } from './roots.mjs';

const nodeRelease = 22; // as in packaging/containers/Dockerfile
const bases = [
  { name: 'debian:bookworm-slim', make: makeDebian },
  { name: `node:${nodeRelease}-bookworm-slim`, make: makeNode },
];
const built = [
  { name: 'kprop/mit-kdc', file: 'packaging/containers/Dockerfile', target: 'mit' },
  { name: 'kprop/kprop', file: 'packaging/containers/Dockerfile', target: 'kprop' },
  { name: 'kprop/lab', file: 'test/containers/Dockerfile', target: 'lab' },
  { name: 'kprop/control', file: 'test/containers/Dockerfile', target: 'control' },
];
// What the Dockerfiles and our own packages need: with these in the base image, no network is needed.
const packages =
  'krb5-kdc krb5-admin-server krb5-kpropd krb5-user libstdc++6 libatomic1 netbase tini libfaketime';

/** Builds the images. `release` removes the base images that were made here. */
export async function prepareImages(root, isolated) {
  const made = [];
  const release = () => {
    if (!isolated) for (const name of made) works('docker', ['image', 'rm', name]);
  };
  try {
    for (const { name, make } of bases) {
      if (works('docker', ['image', 'inspect', name])) continue;
      if (!isolated && works('docker', ['pull', '--quiet', name])) continue;
      say(`making ${name}${isolated ? '' : ', which no registry gives'}`);
      await inFolder((folder) => make(name, folder, root));
      made.push(name);
    }
    stageControl(root, join(root, 'node_modules/.cache/kprop/control'));
    for (const image of built) build(image, root);
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

function build({ name, file, target }, root) {
  say(`building ${name}`);
  const args = ['build', '--quiet', '--file', file, '--target', target, '--tag', name, '.'];
  // BuildKit is a plug-in that Debian's docker.io does not have.
  const plain = works('docker', ['buildx', 'version']) ? {} : { DOCKER_BUILDKIT: '0' };
  const { status, stderr } = spawnSync('docker', args, {
    cwd: root,
    env: { ...process.env, ...plain },
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) fail(`docker build of ${name} failed:\n${stderr}`);
}

function makeDebian(name, folder) {
  needs([{ package: 'mmdebstrap', commands: ['mmdebstrap'] }]);
  const asRoot = rootPrefix();
  if (asRoot === undefined) fail(`only root can make ${name}`);
  const archive = join(folder, 'debian.tar');
  const options = [
    ...['--quiet', '--variant=minbase', `--include=${packages.replaceAll(' ', ',')}`],
    ...proxy(),
  ];
  if (!runs([...asRoot, 'mmdebstrap', ...options, 'bookworm', archive])) {
    fail(`mmdebstrap could not make ${name}; see above`);
  }
  importArchive(archive, name);
}

function makeNode(name, folder, root) {
  const prefix = join(root, 'node_modules/.cache/kprop', `node-${nodeRelease}`);
  const program = findNode(prefix) ?? fetchNode(prefix);
  const target = join(folder, 'root/usr/local/bin');
  mkdirSync(target, { recursive: true });
  copyFileSync(program, join(target, 'node'));
  chmodSync(join(target, 'node'), 0o755);
  const archive = join(folder, 'node.tar');
  const owned = ['--owner=0', '--group=0', '-C', join(folder, 'root')];
  if (!runs(['tar', '-cf', archive, ...owned, '.'])) fail(`tar could not pack ${name}`);
  importArchive(archive, name);
}

function fetchNode(prefix) {
  const name = `node-linux-${process.arch}@${nodeRelease}`;
  const quiet = ['--silent', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts'];
  mkdirSync(prefix, { recursive: true });
  runs(['npm', 'install', ...quiet, '--prefix', prefix, name]);
  return findNode(prefix) ?? fail(`npm could not fetch ${name}`);
}

function findNode(prefix) {
  const folder = join(prefix, 'node_modules', `node-linux-${process.arch}`, 'bin');
  try {
    return readdirSync(folder).includes('node') ? join(folder, 'node') : undefined;
  } catch {
    return undefined;
  }
}

function importArchive(archive, name) {
  const platform = ['--change', 'CMD ["bash"]'];
  if (!works('docker', ['import', ...platform, archive, name])) {
    fail(`docker import of ${name} failed`);
  }
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'kprop-image-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

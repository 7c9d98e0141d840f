// Builds the packages of Debian and RPM for KDC hosts into dist/packages/. The same sources give the
// same bytes, whenever and wherever they are built.
//   node scripts/package.mjs [--arch amd64,arm64] [--kind deb,rpm] [--version VERSION] [--out FOLDER]

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { bundleControl } from './package/bundle.mjs';
import { kpropContents, kpropctlContents } from './package/contents.mjs';
import { makeDeb } from './package/deb.mjs';
import { documentsOf, fieldsOf } from './package/description.mjs';
import { makeExecutable } from './package/executable.mjs';
import { bundledPackages, koffiInside, nodeInside } from './package/inside.mjs';
import { root } from './package/root.mjs';
import { makeRpm } from './package/rpm.mjs';
import { rpmContents } from './package/rpm-contents.mjs';
import { prepareTools } from './package/tools.mjs';

const { values } = parseArgs({
  options: {
    arch: { type: 'string', default: 'amd64,arm64' },
    kind: { type: 'string', default: 'deb,rpm' },
    version: { type: 'string' },
    out: { type: 'string', default: join(root, 'dist/packages') },
  },
});
const version =
  values.version ?? JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
const out = resolve(values.out);
const kinds = values.kind.split(',');
const date = dateOfSources();

await main().catch((error) => {
  console.error(`package: ${error.message}`);
  process.exitCode = 1;
});

async function main() {
  const arches = values.arch.split(',');
  prepareTools({ arches, kinds });
  mkdirSync(out, { recursive: true });
  for (const arch of arches) await packageKprop(arch);
  await packageControl();
  rmSync(join(out, 'work'), { recursive: true, force: true });
}

async function packageKprop(arch) {
  const built = join(out, `work-${arch}`);
  rmSync(built, { recursive: true, force: true });
  const inputs = await makeExecutable(built, { arch, version });
  const parts = [nodeInside(arch), koffiInside(arch), ...bundledPackages(inputs)];
  const about = { name: 'kprop', version, arch, date };
  const documents = documentsOf(parts, { ...about, bundles: 'usr/lib/kprop/executable' });
  const entries = [...kpropContents(built), ...documents];
  write(entries, { ...about, fields: fieldsOf('kprop', version) });
  rmSync(built, { recursive: true });
}

async function packageControl() {
  const built = join(out, 'work-all');
  rmSync(built, { recursive: true, force: true });
  const parts = bundledPackages(await bundleControl(built, { version }));
  const about = { name: 'kpropctl', version, arch: 'all', date };
  const documents = documentsOf(parts, { ...about, bundles: 'usr/lib/kprop/kpropctl' });
  const entries = [...kpropctlContents(built), ...documents];
  write(entries, { ...about, fields: fieldsOf('kpropctl', version) });
  rmSync(built, { recursive: true });
}

function write(entries, about) {
  const made = [
    ...(kinds.includes('deb') ? [makeDeb(out, entries, about)] : []),
    ...(kinds.includes('rpm') ? [makeRpm(out, rpmContents(entries, about), about)] : []),
  ];
  for (const file of made) console.error(`package: ${relative(process.cwd(), file)}`);
}

/** The time of the last commit, or SOURCE_DATE_EPOCH. */
function dateOfSources() {
  const { SOURCE_DATE_EPOCH } = process.env;
  const log = ['-C', root, 'log', '-1', '--format=%ct'];
  const seconds = SOURCE_DATE_EPOCH ?? spawnSync('git', log, { encoding: 'utf8' }).stdout.trim();
  if (!/^\d+$/.test(seconds)) throw new Error('no git: name the time in SOURCE_DATE_EPOCH');
  return new Date(Number(seconds) * 1000);
}

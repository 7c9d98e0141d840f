// Compiles src/ into dist/, bundles each program into one executable file and the library into a few
// (loading a hundred modules takes Node longer than a small propagation), and removes from dist/ what
// has no source any more.
// With --if-older it does so only if dist/ is older than src/ or has other files.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildSync } from 'esbuild';

import { controlIn, programsIn } from './manual/programs.mjs';
import { writeManual } from './manual/write.mjs';
import { programBundle } from './program-bundle.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');
const target = join(root, 'dist');
const controlSource = join(root, 'kpropctl/src');
const controlTarget = join(root, 'kpropctl/dist');
const maps = join(root, 'node_modules/.cache/kprop/maps');
const compiler = join(root, 'node_modules/typescript/bin/tsc');

/** Folders of dist/ that nothing in src/ is called like. */
const bundles = ['bin', 'library'];
const modules = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifyWhitespace: true,
  legalComments: 'none',
  external: ['koffi', 'kerberos'],
  absWorkingDir: root,
  logLevel: 'warning',
};

const always = !process.argv.includes('--if-older');
if (always || isOlder()) await build();
// It is compiled against what was just built.
if (existsSync(controlSource) && (always || isControlOlder())) await buildControl();

async function build() {
  // On stderr, since `npm pack --json` builds, too, and its stdout is parsed.
  console.error('build: src/ → dist/');
  const args = ['-p', join(root, 'tsconfig.build.json'), '--noEmitOnError'];
  const { status } = spawnSync(process.execPath, [compiler, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  for (const name of bundles) rmSync(join(target, name), { recursive: true, force: true });
  for (const file of filesIn(target)) {
    if (!existsSync(join(source, sourceOf(file)))) rmSync(join(target, file));
  }
  bundle(
    filesIn(join(source, 'cli'))
      .map((file) => join(source, 'cli', file))
      .filter(isProgram),
  );
  // A thread and a process of their own: each loads one file sooner than twenty.
  buildSync({
    ...modules,
    entryPoints: ['native-worker', 'applier-process'].map((name) =>
      join(source, `server/${name}.ts`),
    ),
    outdir: join(target, 'server'),
  });
  // What package.json exports, one folder deep like nearly all modules: they look for others by `../`.
  buildSync({
    ...modules,
    entryPoints: ['index.ts', 'client/propagate.ts', 'server/serve.ts'].map((file) =>
      join(source, file),
    ),
    outdir: join(target, 'library'),
    entryNames: '[name]',
    chunkNames: 'shared-[hash]',
    // Their names would depend on where node_modules really is.
    preserveSymlinks: true,
    splitting: true,
  });
  writeManual(await programsIn(target), { pages: join(root, 'man'), target });
}

/** The package kpropctl; its command is one file, too. */
async function buildControl() {
  console.error('build: kpropctl/src/ → kpropctl/dist/');
  rmSync(controlTarget, { recursive: true, force: true });
  const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'kpropctl')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
  const { metafile } = buildSync({
    ...modules,
    metafile: true,
    entryPoints: [join(controlSource, 'main.ts')],
    outdir: join(controlTarget, 'bin'),
    external: ['kprop', 'kerberos'],
    // Some packages are CommonJS, and load what Node has by require().
    banner: {
      js: 'import{createRequire as loaderOf}from"node:module";const require=loaderOf(import.meta.url);',
    },
  });
  writeFileSync(join(controlTarget, 'main.js'), "#!/usr/bin/env node\nimport './bin/main.js';\n");
  chmodSync(join(controlTarget, 'main.js'), 0o755);
  const licences = licensesOf(Object.keys(metafile.inputs));
  writeFileSync(join(controlTarget, 'bin/LICENSES.txt'), licences);
  const control = await controlIn(controlTarget);
  writeManual([control], { pages: join(root, 'kpropctl/man'), target: controlTarget });
}

function isControlOlder() {
  if (!existsSync(join(controlTarget, 'main.js'))) return true;
  const newest = Math.max(
    ...filesIn(controlSource).map((file) => modified(join(controlSource, file))),
    ...filesIn(join(root, 'kpropctl/man')).map((file) =>
      modified(join(root, 'kpropctl/man', file)),
    ),
    modified(join(target, 'index.d.ts')),
  );
  return newest > modified(join(controlTarget, 'main.js'));
}

function bundle(programs) {
  const outdir = join(target, 'bin');
  const { metafile } = buildSync({
    ...programBundle,
    entryPoints: programs,
    outdir,
    target: 'node20',
    // Packages with native code cannot be bundled.
    external: ['koffi', 'kerberos'],
    absWorkingDir: root,
    // Only for scripts/coverage.mjs; not part of the package.
    sourcemap: 'external',
  });
  mkdirSync(maps, { recursive: true });
  for (const program of programs) finish(basename(program).replace(/\.ts$/, '.js'));
  writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(join(outdir, 'LICENSES.txt'), licensesOf(Object.keys(metafile.inputs)));
}

/**
 * Makes a bundle executable. Its first lines are a shell script that replaces itself by Node: a "#!"
 * line takes one argument only, and only coreutils' env(1) can split it. The shell ignores SIGUSR1,
 * and the argument keeps Node from opening its debugger at that signal (src/host/inspector.ts), until
 * the program's own first statement handles it. To JavaScript the second line is a string and a
 * comment. The source map is moved out of dist/.
 */
function finish(name) {
  const start =
    '#!/bin/sh\n":" //; trap "" USR1; exec node "--inspect-port=[ff00::]:9229" "$0" "$@"';
  const program = join(target, 'bin', name);
  writeFileSync(
    program,
    readFileSync(program, 'utf8').replace(/^#!.*$/m, () => start),
  );
  chmodSync(program, 0o755);
  // The start has one line more than esbuild wrote: in a source map each semicolon ends a line.
  const map = JSON.parse(readFileSync(`${program}.map`, 'utf8'));
  writeFileSync(
    join(maps, `${name}.map`),
    JSON.stringify({ ...map, mappings: `;${map.mappings}` }),
  );
  rmSync(`${program}.map`);
}

/** The licences of the bundled packages, which require that their text is included. */
function licensesOf(files) {
  const packages = files.map((file) => /^node_modules\/(@[^/]+\/[^/]+|[^/]+)/.exec(file)?.[1]);
  const names = [...new Set(packages.filter((name) => name !== undefined))].sort();
  const texts = names.map((name) => {
    const folder = join(root, 'node_modules', name);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name}\n\n${file ? readFileSync(join(folder, file), 'utf8') : 'see its package.json'}`;
  });
  return `${texts.join(`\n${'-'.repeat(72)}\n`)}\n`;
}

function isOlder() {
  if (!bundles.every((name) => existsSync(join(target, name)))) return true;
  const built = filesIn(target).filter(
    (file) => file.endsWith('.js') && !bundles.includes(file.split('/')[0]),
  );
  const sources = filesIn(source).filter((file) => file.endsWith('.ts'));
  if (built.map(sourceOf).sort().join('\n') !== sources.sort().join('\n')) return true;
  const changed = [
    ...sources.map((file) => join(source, file)),
    ...['man', 'scripts/manual'].flatMap((folder) =>
      filesIn(join(root, folder)).map((file) => join(root, folder, file)),
    ),
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
  ];
  const oldestBuilt = Math.min(...built.map((file) => modified(join(target, file))));
  return Math.max(...changed.map(modified)) > oldestBuilt;
}

function filesIn(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1));
}

function isProgram(file) {
  return readFileSync(file, 'latin1').startsWith('#!');
}

function sourceOf(file) {
  return file.replace(/(\.d\.ts|\.js)$/, '.ts');
}

function modified(file) {
  return statSync(file).mtimeMs;
}

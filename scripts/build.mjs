// Compiles src/ into dist/, bundles each program into one file (Node takes longer to find and read a
// hundred modules than a small propagation takes), makes the programs executable and removes what
// has no source any more.
// With --if-older it does so only when dist/ is not the outcome of the present src/.

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

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');
const target = join(root, 'dist');
const maps = join(root, 'node_modules/.cache/kprop/maps');
const compiler = join(root, 'node_modules/typescript/bin/tsc');

if (!process.argv.includes('--if-older') || isOlder()) build();

function build() {
  console.log('build: src/ → dist/');
  const args = ['-p', join(root, 'tsconfig.build.json'), '--noEmitOnError'];
  const { status } = spawnSync(process.execPath, [compiler, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  rmSync(join(target, 'bin'), { recursive: true, force: true });
  for (const file of filesIn(target)) {
    if (!existsSync(join(source, sourceOf(file)))) rmSync(join(target, file));
  }
  bundle(
    filesIn(join(source, 'cli'))
      .map((file) => join(source, 'cli', file))
      .filter(isProgram),
  );
}

// CommonJS, without the spaces: Node starts it 25 ms sooner than it starts a module.
function bundle(programs) {
  const outdir = join(target, 'bin');
  const { metafile } = buildSync({
    entryPoints: programs,
    outdir,
    bundle: true,
    metafile: true,
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    format: 'cjs',
    banner: {
      js: '"use strict";const moduleUrl=require("node:url").pathToFileURL(__filename).href;',
    },
    define: { 'import.meta.url': 'moduleUrl' },
    platform: 'node',
    target: 'node20',
    // Native code stays where npm put it.
    external: ['koffi', 'kerberos'],
    absWorkingDir: root,
    logLevel: 'warning',
    // For scripts/coverage.mjs alone: nobody who installs the package wants them.
    sourcemap: 'external',
  });
  mkdirSync(maps, { recursive: true });
  for (const program of programs) finish(basename(program).replace(/\.ts$/, '.js'));
  writeFileSync(join(outdir, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(join(outdir, 'LICENSES.txt'), licensesOf(Object.keys(metafile.inputs)));
}

/**
 * Makes a bundle a program. What the kernel starts is a shell, which gives way to Node at once: a
 * "#!" line takes one argument only, and env(1) splits it in coreutils alone. Until the program's
 * own first statement runs, which lets nothing happen at SIGUSR1, a Node that is told so cannot open
 * its debugger (src/host/inspector.ts); before Node itself minds the signal, it is ignored.
 * To JavaScript the second line is a string and a comment. The source map goes elsewhere.
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
  // There is a line more than esbuild knows of: to a map, each semicolon is one.
  const map = JSON.parse(readFileSync(`${program}.map`, 'utf8'));
  writeFileSync(
    join(maps, `${name}.map`),
    JSON.stringify({ ...map, mappings: `;${map.mappings}` }),
  );
  rmSync(`${program}.map`);
}

/** The licences of the packages that went into the bundles: they demand to be told. */
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
  if (!existsSync(join(target, 'bin'))) return true;
  const built = filesIn(target).filter((file) => file.endsWith('.js') && !file.startsWith('bin/'));
  const sources = filesIn(source).filter((file) => file.endsWith('.ts'));
  if (built.map(sourceOf).sort().join('\n') !== sources.sort().join('\n')) return true;
  const changed = [
    ...sources.map((file) => join(source, file)),
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

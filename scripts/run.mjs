// Runs a TypeScript program of this project (a demo, a bench) on any Node that kprop supports:
// compiles it and all that it imports into a cache, and imports the result.
//   node scripts/run.mjs scripts/demo.ts [arguments]

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [program, ...args] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: node scripts/run.mjs FILE.ts [arguments]');
const entry = resolve(root, program);
const compiled = relative(root, entry).replace(/\.ts$/, '.js');

// One folder for each program: two of them may be compiled at the same time.
const cache = join(root, 'node_modules/.cache/kprop', compiled.replaceAll('/', '-'));
mkdirSync(cache, { recursive: true });
writeFileSync(join(cache, 'package.json'), '{ "type": "module" }\n');
const settings = {
  extends: join(root, 'tsconfig.build.json'),
  compilerOptions: { rootDir: root, outDir: cache, declaration: false, noEmitOnError: true },
  files: [entry],
  include: [],
};
writeFileSync(join(cache, 'tsconfig.json'), JSON.stringify(settings));

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', cache], { stdio: 'inherit' });
if (status !== 0) process.exit(1);

process.argv = [process.execPath, join(cache, compiled), ...args];
await import(pathToFileURL(join(cache, compiled)).href);

// The programs as bundles for the executable, in which a few modules are replaced by those of
// scripts/package/executable/.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

import { programBundle } from '../program-bundle.mjs';
import { root } from './root.mjs';

const executable = join(root, 'scripts/package/executable');

/** Below src/, by what they are replaced with. */
const replaced = {
  'host/koffi': 'koffi.ts',
  'cli/own-program': 'own-program.ts',
  'server/own-code': 'own-code.ts',
  'ticket/gss-source': 'gss-source.ts',
};

/** Writes the bundles into `folder`; returns the files that are in them, from the root of the clone. */
export async function bundlePrograms(folder, { version }) {
  mkdirSync(folder, { recursive: true });
  const common = options({ version });
  const results = [
    await build({
      ...common,
      entryPoints: [join(executable, 'main.ts')],
      outfile: join(folder, 'main.js'),
    }),
    await build({
      ...common,
      entryPoints: [join(root, 'src/server/native-worker.ts')],
      outfile: join(folder, 'native-worker.js'),
    }),
  ];
  return inputsOf(results);
}

/** The same for kpropctl: its command and its process for the page, where each finds its files. */
export async function bundleControl(folder, { version }) {
  const sources = join(root, 'kpropctl/src');
  const common = options({ version });
  const parts = { 'bin/main.js': 'main.ts', 'page/page-process.js': 'page/page-process.ts' };
  const results = [];
  for (const [outfile, entry] of Object.entries(parts)) {
    const entryPoints = [join(sources, entry)];
    results.push(await build({ ...common, entryPoints, outfile: join(folder, outfile) }));
  }
  // Where kpropctl looks for itself.
  writeFileSync(join(folder, 'main.js'), "require('./bin/main.js');\n");
  return inputsOf(results);
}

function options({ version }) {
  const koffi = JSON.parse(readFileSync(join(root, 'node_modules/koffi/package.json'), 'utf8'));
  return {
    ...programBundle,
    target: 'node26',
    define: { ...programBundle.define, koffiVersion: JSON.stringify(koffi.version) },
    alias: { kprop: join(root, 'src/index.ts') },
    // It has native code, and is optional.
    external: ['kerberos'],
    plugins: [replacements(version)],
    absWorkingDir: root,
  };
}

function replacements(version) {
  return {
    name: 'replacements',
    setup(bundler) {
      const names = Object.keys(replaced).join('|');
      bundler.onLoad({ filter: new RegExp(`/src/(?:${names})\\.ts$`) }, ({ path }) => {
        const name = /([^/]+\/[^/]+)\.ts$/.exec(path)[1];
        const contents = `export * from './${replaced[name]}';`;
        return { contents, loader: 'ts', resolveDir: executable };
      });
      // They read a package.json, which is not there.
      bundler.onLoad({ filter: /\/src\/(?:host|show)\/version\.ts$/ }, () => {
        const text = JSON.stringify(version);
        const contents = `export const packageVersion = () => ${text}, version = packageVersion;`;
        return { contents, loader: 'ts' };
      });
    },
  };
}

function inputsOf(results) {
  return [...new Set(results.flatMap(({ metafile }) => Object.keys(metafile.inputs)))].sort();
}

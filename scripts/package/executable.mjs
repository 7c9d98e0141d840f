// The executable with our programs inside: Node's own single executable application, made by the Node
// that it will contain, or for another architecture by the one for this machine.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { bundlePrograms } from './bundle.mjs';
import { koffiFor, nodeFor } from './parts.mjs';
import { architectures } from './release.mjs';

const here = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Writes `executable` and `koffi.node` into `folder`; returns the source files that are inside. */
export async function makeExecutable(folder, { arch, version }) {
  const work = join(folder, 'work');
  const inputs = await bundlePrograms(work, { version });
  const node = join(work, 'node');
  strip(join(nodeFor(arch), 'bin/node'), node, arch);
  const config = {
    // The executable remembers this name, so it must not say where it was built.
    main: 'main.js',
    executable: node,
    output: join(folder, 'executable'),
    assets: { 'native-worker.js': join(work, 'native-worker.js') },
    disableExperimentalSEAWarning: true,
    // V8 takes it on the architecture on which it was made.
    useCodeCache: arch === here,
    execArgv: [
      // As scripts/build.mjs starts Node: so its debugger can never open (src/host/inspector.ts).
      '--inspect-port=[ff00::]:9229',
      // A processor on which V8 does not take the code cache is slower at the start, and says so.
      '--disable-warning=Warning',
    ],
    // Nor does the environment (NODE_OPTIONS) change what a daemon of root does.
    execArgvExtension: 'none',
  };
  writeFileSync(join(work, 'config.json'), JSON.stringify(config));
  // With this seed V8 writes the same code cache each time.
  const seeded = ['--random-seed=1', '--build-sea', 'config.json'];
  run(join(nodeFor(here), 'bin/node'), seeded, { cwd: work });
  chmodSync(config.output, 0o755);
  const addon = join(koffiFor(arch), `linux_${architectures[arch].npm}`, 'koffi.node');
  strip(addon, join(folder, 'koffi.node'), arch);
  chmodSync(join(folder, 'koffi.node'), 0o644);
  return inputs;
}

/** A copy without the symbols that only a debugger needs. */
function strip(from, to, arch) {
  mkdirSync(join(to, '..'), { recursive: true });
  copyFileSync(from, to);
  run(`${architectures[arch].triplet}-strip`, [
    '--strip-unneeded',
    '--remove-section=.comment',
    to,
  ]);
}

function run(command, args, o = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...o, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error ?? stdout + stderr}`);
}

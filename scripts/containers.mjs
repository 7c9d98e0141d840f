// Runs the container tests with an engine and the images that they need, and leaves nothing behind.
//   node scripts/containers.mjs                    the container tests
//   node scripts/containers.mjs --reporter=json    the same; arguments that begin with - go to vitest,
//   node scripts/containers.mjs FILE.test.ts       and so do files of tests
//   node scripts/containers.mjs COMMAND [ARG…]     any command, for example: docker-compose up
// The engine is that of DOCKER_HOST or of the default socket; if none answers, one is started.
// Plain JavaScript without dependencies, like prepare.mjs.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { answers, startEngine } from './containers/engine.mjs';
import { prepareImages } from './containers/images.mjs';
import { fail, needs, say, works } from './containers/machine.mjs';
import { prepareRoots } from './containers/roots.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vitest = join(root, 'node_modules/vitest/vitest.mjs');

let engine;
let running; // the command that runs now
let ended = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    ended = true;
    running?.kill(signal);
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`containers: ${error.message}`);
  process.exitCode = 1;
} finally {
  await engine?.stop();
}

async function main(args) {
  needs([{ package: 'docker.io', commands: ['docker'] }]);
  if (answers()) {
    say(`using the engine at ${process.env.DOCKER_HOST ?? 'the default socket'}`);
  } else {
    needs([
      { package: 'docker.io', files: ['/usr/sbin/dockerd'] },
      { package: 'iptables', files: ['/usr/sbin/iptables'] },
    ]);
    engine = await startEngine();
    process.env.DOCKER_HOST = engine.address;
  }
  if (!works('docker', ['compose', 'version'])) {
    needs([{ package: 'docker-compose', commands: ['docker-compose'] }]);
  }
  if (ended) fail('interrupted');
  needs([{ package: 'lintian', commands: ['lintian'] }]);
  prepareRoots(root);
  const images = await prepareImages(root, engine !== undefined);
  try {
    if (ended) fail('interrupted');
    const own = args.length > 0 && !/^-|\.test\.ts$/.test(args[0]);
    const config = ['--config', join(root, 'vitest.containers.config.ts')];
    return own
      ? await run(args[0], args.slice(1))
      : await run(process.execPath, [vitest, 'run', ...config, ...args]);
  } finally {
    images.release();
  }
}

function run(command, args) {
  return new Promise((settle) => {
    running = spawn(command, args, { cwd: root, stdio: 'inherit', env: environment() });
    running.once('error', (error) => {
      say(`${command}: ${error.message}`);
      settle(1);
    });
    running.once('exit', (status) => settle(ended ? 1 : (status ?? 1)));
  });
}

/** Without testcontainers' reaper: its image may be unavailable, and this script removes everything itself. */
function environment() {
  return { ...process.env, TESTCONTAINERS_RYUK_DISABLED: 'true' };
}

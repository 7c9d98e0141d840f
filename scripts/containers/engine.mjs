// A Docker engine in namespaces of its own: it shares no bridges, iptables rules, mounts or processes
// with this machine, and the kernel removes them with it, however it ends. It has no network: the
// images are made outside of it.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { fail, rootPrefix, say, works } from './machine.mjs';

const script = join(dirname(fileURLToPath(import.meta.url)), 'engine.sh');
const patienceSeconds = 60;

/** Whether an engine answers at this address, else at DOCKER_HOST or at the client's default. */
export function answers(address) {
  return works('docker', [...(address === undefined ? [] : ['-H', address]), 'version']);
}

export async function startEngine() {
  const asRoot = rootPrefix();
  if (asRoot === undefined) {
    fail('no engine answers, and only root can start one: name one in DOCKER_HOST');
  }
  const folder = mkdtempSync(join(tmpdir(), 'kprop-engine-'));
  const address = `unix://${join(folder, 'docker.sock')}`;
  const own = ['unshare', '--fork', '--pid', '--mount-proc', '--net', '--mount', '--kill-child'];
  const [command, ...args] = [...asRoot, ...own, 'sh', script, folder];
  say(`starting an engine of our own in ${folder}`);
  // The engine ends when its stdin closes, even if SIGKILL ends this script. It has a process group of
  // its own, so that Ctrl-C ends the tests only, which need the engine to clean up.
  const child = spawn(command, args, {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
  child.stdin.on('error', () => {});
  const exit = new Promise((settle) => {
    child.once('error', settle);
    child.once('exit', settle);
  });
  const stop = async () => {
    say('stopping the engine');
    child.stdin.end();
    await exit;
    if (existsSync(folder)) say(`the engine left ${folder}: remove it as root`);
  };
  let over = false;
  exit.then(() => {
    over = true;
  });
  for (let waited = 0; !answers(address); waited++) {
    if (over) fail('the engine ended; its log is above. Name another one in DOCKER_HOST');
    if (waited >= patienceSeconds * 2) {
      await stop();
      fail(`the engine did not answer within ${patienceSeconds} s; its log is above`);
    }
    await sleep(500);
  }
  return { address, stop };
}

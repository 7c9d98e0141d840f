import { type ChildProcess, type ForkOptions, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { getAsset } from 'node:sea';
import { Worker, type WorkerOptions } from 'node:worker_threads';

import { koffiFile } from './koffi.ts';

// In place of src/server/own-code.ts. An upgrade replaces the executable under a kpropd that runs, and
// what that starts later must still be of its own version: so no file is opened by its name any more.

const koffi = openSync(koffiFile(), 'r');

export function startThread(name: 'native-worker', options: WorkerOptions): Worker {
  return new Worker(getAsset(`${name}.js`, 'utf8'), { ...options, eval: true, execArgv: [] });
}

export function startProcess(_name: 'applier-process', options: ForkOptions): ChildProcess {
  const { stdio, ...others } = options;
  return spawn('/proc/self/exe', [], {
    ...others,
    argv0: 'kpropd-applier',
    // The last is descriptor 4, where koffi.ts looks for it.
    stdio: [...(Array.isArray(stdio) ? stdio : []), koffi],
  });
}

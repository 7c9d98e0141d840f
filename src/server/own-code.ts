import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

import { withoutInspector } from '../host/inspector.ts';

// Code of ours that runs beside the program, each from a file of its own. The packages for KDC hosts
// have one executable instead, and scripts/package/executable/own-code.ts in place of this.
// These paths lead there from the bundled program in dist/bin, too.
const files = {
  'native-worker': new URL('../server/native-worker.js', import.meta.url),
  'applier-process': new URL('../server/applier-process.js', import.meta.url),
} as const;

/** A thread that runs src/server/NAME.ts. */
export function startThread(name: 'native-worker', options: WorkerOptions): Worker {
  // Flags of the program that uses the library are not for this thread.
  return new Worker(files[name], { ...options, execArgv: [] });
}

/** A process that runs src/server/NAME.ts, with a channel to it. */
export function startProcess(name: 'applier-process', options: ForkOptions): ChildProcess {
  return fork(fileURLToPath(files[name]), { ...options, execArgv: [...withoutInspector] });
}

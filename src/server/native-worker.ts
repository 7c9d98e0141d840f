import { parentPort, workerData } from 'node:worker_threads';

import { type BuildOrder, NativeBuild } from './load/native-build.ts';
import type { WorkerAnswer, WorkerRequest } from './native-thread.ts';

/** The thread in which a database is written: see native-thread.ts. */
const build = new NativeBuild(workerData as BuildOrder);
const answer = (what: WorkerAnswer) => parentPort?.postMessage(what);

parentPort?.on('message', async (request: WorkerRequest) => {
  switch (request.ask) {
    case 'grow': {
      const failure = build.grow(request.bytes);
      if (failure !== undefined) answer({ to: 'grow', failure });
      break;
    }
    case 'finish':
      answer({ to: 'finish', result: await build.finish(request.bytes) });
      break;
    case 'merge':
      answer({ to: 'merge', result: await build.merge(request.live) });
      break;
    default:
      request satisfies never;
  }
});

import type { Worker } from 'node:worker_threads';

import type { BuildFailure, BuildOrder, BuildResult, BuiltDatabase } from './load/native-build.ts';
import { startThread } from './own-code.ts';

export type WorkerRequest =
  | { readonly ask: 'grow'; readonly bytes: number }
  | { readonly ask: 'finish'; readonly bytes: number }
  | { readonly ask: 'merge'; readonly live: number };

export type WorkerAnswer =
  /** Sent once something has gone wrong, and for nothing else. */
  | { readonly to: 'grow'; readonly failure: BuildFailure }
  | { readonly to: 'finish'; readonly result: BuildResult<BuiltDatabase> }
  | { readonly to: 'merge'; readonly result: BuildResult<number> };

/** A NativeBuild in a thread of its own, so that what it does holds up nobody else. */
export class NativeThread {
  readonly #worker: Worker;
  readonly #onFailure: (failure: BuildFailure) => void;
  #waiting: ((answer: WorkerAnswer) => void) | undefined;
  /** Why the thread has ended, if it did so by itself. */
  #ended: BuildFailure | undefined;

  /** @param onFailure called if the dump turns out to be unfit while it grows */
  constructor(order: BuildOrder, onFailure: (failure: BuildFailure) => void) {
    this.#onFailure = onFailure;
    this.#worker = startThread('native-worker', {
      workerData: order,
      // It makes few objects; by default V8 would let 48 MB of them pile up.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    this.#worker.on('message', (answer: WorkerAnswer) => {
      if (answer.to === 'grow') this.#onFailure(answer.failure);
      else this.#settle(answer);
    });
    this.#worker.on('error', (error) => this.#end(`its thread failed: ${error.message}`));
    this.#worker.on('exit', () => this.#end('its thread has ended'));
  }

  grow(bytes: number): void {
    this.#ask({ ask: 'grow', bytes });
  }

  async finish(bytes: number): Promise<BuildResult<BuiltDatabase>> {
    const answer = await this.#call({ ask: 'finish', bytes });
    return answer.to === 'finish' ? answer.result : lost(answer);
  }

  async merge(live: number): Promise<BuildResult<number>> {
    const answer = await this.#call({ ask: 'merge', live });
    return answer.to === 'merge' ? answer.result : lost(answer);
  }

  /** Resolves when the thread does nothing any more. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: WorkerRequest): void {
    this.#worker.postMessage(request);
  }

  #call(request: WorkerRequest): Promise<WorkerAnswer> {
    const failure = this.#ended;
    if (failure !== undefined) return Promise.resolve({ to: 'grow', failure });
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#ask(request);
    });
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(answer);
  }

  #end(reason: string): void {
    this.#ended ??= { kind: 'undone', reason };
    this.#settle({ to: 'grow', failure: this.#ended });
  }
}

function lost(answer: WorkerAnswer): { readonly failure: BuildFailure } {
  return {
    failure:
      answer.to === 'grow' ? answer.failure : { kind: 'undone', reason: 'its answer is lost' },
  };
}

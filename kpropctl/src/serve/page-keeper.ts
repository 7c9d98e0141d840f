import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { BadSettings } from '../config/complaints.ts';
import type { Settings } from '../config/settings.ts';
import type { FromPage, Live, ToPage } from '../page/link.ts';
import { noteOf } from '../run/report.ts';
import { isStarted } from './is-started.ts';

export interface PageKeeperOptions {
  readonly environment: NodeJS.ProcessEnv;
  /** What the page shows as under way. */
  readonly live: () => Live;
  readonly onRun: (by: string) => void;
  readonly onLog: (text: string) => void;
}

/**
 * Keeps the process of the page alive. It is one of its own: whatever is done to its port, no
 * propagation is slower for it, and none ends with it.
 */
export class PageKeeper {
  readonly #o: PageKeeperOptions;
  #child: ChildProcess | undefined;
  #isTold = true;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;
  /** Ends what the last call of open() began. */
  #stop = new AbortController();
  /** Settles when the process that the last call of open() started has ended, and none follows it. */
  #kept: Promise<void> = Promise.resolve();

  constructor(o: PageKeeperOptions) {
    this.#o = o;
  }

  /**
   * Starts it, if there is something to listen on, and again whenever it ends, until close() or the
   * next open(). A call that one of these overtakes resolves.
   * @throws BadSettings: the address cannot be opened yet; it is tried again
   */
  open(settings: Settings): Promise<void> {
    this.close();
    const { signal } = this.#stop;
    const before = this.#kept;
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      const onFirst = (problem?: Error) => (problem === undefined ? resolve() : reject(problem));
      // The old process has the address that the new one needs.
      this.#kept = before.then(() => this.#keep(settings, signal, onFirst));
    });
  }

  /** Something has changed. It is not told at once: a propagation has thousands of events in a second. */
  changed(): void {
    this.#isTold = false;
    if (this.#child !== undefined) this.#timer ??= setTimeout(() => this.#tell(), tellMillis);
  }

  close(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Starts it again and again. `onFirst` hears once how the first start went. */
  async #keep(
    settings: Settings,
    signal: AbortSignal,
    onFirst: (problem?: Error) => void,
  ): Promise<void> {
    if (settings.listen === undefined) return onFirst();
    let pauseMillis = firstPauseMillis;
    /** The problem that is known, while there is no page. */
    let told: string | undefined;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const { problem, listenedMillis } = await this.#startOnce(settings, signal, () => {
        onFirst();
        if (told !== undefined) this.#o.onLog('the page is served again');
        told = undefined;
      });
      if (signal.aborted) return;
      // One that ends soon after each start is not started each second for ever.
      if (listenedMillis > longestPauseMillis) pauseMillis = firstPauseMillis;
      const { message } = problem;
      if (isFirst && listenedMillis === 0) onFirst(problem);
      else if (message !== told) this.#o.onLog(`${message}: again in ${pauseMillis / 1000} s`);
      told = message;
      await sleep(pauseMillis, undefined, { signal }).catch(() => undefined);
      pauseMillis = Math.min(longestPauseMillis, pauseMillis * 2);
    }
  }

  /** Resolves when it has ended, to why it did, and for how long it has listened. */
  async #startOnce(
    settings: Settings,
    signal: AbortSignal,
    onListening: () => void,
  ): Promise<{ readonly problem: Error; readonly listenedMillis: number }> {
    let child: ChildProcess;
    try {
      child = fork(fileURLToPath(new URL('../page/page-process.js', import.meta.url)), {
        env: this.#o.environment,
        execArgv: ['--max-old-space-size=512'],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
    } catch (error) {
      // Some reasons are thrown, others are an event.
      return { problem: cannotStart(noteOf(error).message), listenedMillis: 0 };
    }
    let failure: Error | undefined;
    let listensSince = Number.POSITIVE_INFINITY;
    child.on('message', (message: FromPage) => {
      switch (message.kind) {
        case 'listening':
          // It is to end, and does not know it yet.
          if (signal.aborted) break;
          listensSince = performance.now();
          this.#isTold = false;
          this.#tell();
          onListening();
          break;
        case 'failed': {
          const { problem, advice } = message;
          const file = settings.file ?? 'the configuration';
          failure = new BadSettings([{ file, line: 0, problem, advice }]);
          break;
        }
        case 'run':
          this.#o.onRun(message.by);
          break;
        case 'log':
          this.#o.onLog(message.text);
          break;
      }
    });
    const stop = () => end(child);
    signal.addEventListener('abort', stop, { once: true });
    this.#child = child;
    this.#isBusy = false;
    const ended = endOf(child);
    // Without a process there is no channel either.
    if (isStarted(child)) child.send({ kind: 'open', settings } satisfies ToPage, () => undefined);
    const problem = await ended;
    signal.removeEventListener('abort', stop);
    this.#child = undefined;
    const listenedMillis = Math.max(0, performance.now() - listensSince);
    return { problem: failure ?? problem, listenedMillis };
  }

  /** One message at a time: to a process that does not read, nothing is piled up. */
  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isTold || this.#isBusy || this.#child?.connected !== true) return;
    this.#isTold = true;
    this.#isBusy = true;
    const child = this.#child;
    child.send({ kind: 'live', live: this.#o.live() } satisfies ToPage, () => {
      if (child !== this.#child) return;
      this.#isBusy = false;
      if (!this.#isTold) this.#timer ??= setTimeout(() => this.#tell(), tellMillis);
    });
  }
}

/** How it ended. One that could not be started has ended as well. */
function endOf(child: ChildProcess): Promise<Error> {
  return new Promise((resolve) => {
    child.once('exit', (status, signal) =>
      resolve(new Error(`the process of the page ended (${signal ?? status})`)),
    );
    child.on('error', ({ message }) => {
      if (!isStarted(child)) resolve(cannotStart(message));
    });
  });
}

const cannotStart = (why: string) =>
  new Error(`the process of the page cannot be started (${why})`);

/** One that no longer listens to anybody is ended all the same. */
function end(child: ChildProcess): void {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMillis).unref();
  child.once('exit', () => clearTimeout(timer));
}

const patienceMillis = 2_000;
const tellMillis = 200;
const firstPauseMillis = 1_000;
const longestPauseMillis = 60_000;

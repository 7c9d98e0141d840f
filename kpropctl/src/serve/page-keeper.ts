import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { BadSettings } from '../config/complaints.ts';
import type { Settings } from '../config/settings.ts';
import type { FromPage, Live, ToPage } from '../page/link.ts';

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
  #settings: Settings | undefined;
  #child: ChildProcess | undefined;
  #isTold = true;
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #pauseMillis = firstPauseMillis;

  constructor(o: PageKeeperOptions) {
    this.#o = o;
  }

  /** Starts it, if there is something to listen on. @throws BadSettings: the address cannot be opened */
  async open(settings: Settings): Promise<void> {
    const old = this.#child;
    const isAlive = old?.exitCode === null && old.signalCode === null;
    const ended = isAlive ? once(old, 'exit') : undefined;
    this.close();
    // It has the address that the new one needs.
    await ended;
    if (settings.listen === undefined) return;
    await this.#start(settings);
    this.#settings = settings;
  }

  /** Something has changed. It is not told at once: a propagation has thousands of events in a second. */
  changed(): void {
    this.#isTold = false;
    if (this.#child !== undefined) this.#timer ??= setTimeout(() => this.#tell(), tellMillis);
  }

  close(): void {
    this.#settings = undefined;
    clearTimeout(this.#again);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#child !== undefined) end(this.#child);
    this.#child = undefined;
  }

  #start(settings: Settings): Promise<void> {
    const child = fork(fileURLToPath(new URL('../page/page-process.js', import.meta.url)), {
      env: this.#o.environment,
      execArgv: ['--max-old-space-size=512'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#isBusy = false;
    return new Promise((resolve, reject) => {
      child.on('message', (message: FromPage) => {
        switch (message.kind) {
          case 'listening':
            this.#pauseMillis = firstPauseMillis;
            this.#isTold = false;
            this.#tell();
            resolve();
            break;
          case 'failed': {
            const { problem, advice } = message;
            const file = settings.file ?? 'the configuration';
            reject(new BadSettings([{ file, line: 0, problem, advice }]));
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
      child.on('error', reject);
      child.on('exit', (status, signal) => {
        reject(new Error(`the process of the page ended (${signal ?? status})`));
        if (child === this.#child && this.#settings !== undefined) this.#startAgain(signal, status);
      });
      child.send({ kind: 'open', settings } satisfies ToPage);
    });
  }

  #startAgain(signal: string | null, status: number | null): void {
    const settings = this.#settings as Settings;
    const seconds = this.#pauseMillis / 1000;
    this.#o.onLog(`the process of the page ended (${signal ?? status}): again in ${seconds} s`);
    this.#again = setTimeout(() => {
      // Its end has been heard of already, and leads here again.
      this.#start(settings).catch(() => undefined);
    }, this.#pauseMillis);
    this.#pauseMillis = Math.min(longestPauseMillis, this.#pauseMillis * 2);
  }

  /** One message at a time: to a process that does not read, nothing is piled up. */
  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isTold || this.#isBusy || this.#child?.connected !== true) return;
    this.#isTold = true;
    this.#isBusy = true;
    this.#child.send({ kind: 'live', live: this.#o.live() } satisfies ToPage, () => {
      this.#isBusy = false;
      if (!this.#isTold) this.#timer ??= setTimeout(() => this.#tell(), tellMillis);
    });
  }
}

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

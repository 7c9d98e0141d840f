import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { withoutInspector } from 'kprop';

import { noteOf } from '../run/report.ts';
import { isStarted } from './is-started.ts';
import type { Answer, Question } from './spnego-worker.ts';

/** Why there is no answer: too many wait, the worker took too long, or it ended. */
export type Silence = { readonly kind: 'busy' | 'late' | 'ended'; readonly text: string };

/**
 * The worker that accepts tickets, which is started when it is needed and again when it has ended.
 * It is asked one question at a time.
 */
export class Acceptor {
  readonly #environment: NodeJS.ProcessEnv;
  #worker: ChildProcess | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** How often it has ended since it last answered. */
  #deaths = 0;
  #isClosed = false;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
  }

  async ask(question: Question): Promise<Answer | Silence> {
    if (this.#waiting >= mostWaiting) {
      return { kind: 'busy', text: `${mostWaiting} tickets wait to be looked at` };
    }
    this.#waiting += 1;
    const answer = this.#queue.then(() => this.#askNow(question));
    // Whatever happens to one question, the next one is asked.
    this.#queue = answer.catch(() => undefined);
    try {
      return await answer;
    } finally {
      this.#waiting -= 1;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#worker?.kill('SIGKILL');
    await this.#queue;
  }

  async #askNow(question: Question): Promise<Answer | Silence> {
    if (!this.#isClosed && this.#worker === undefined && this.#deaths > 0) {
      // Who crashes it with each request must not make this host start processes all the time.
      await sleep(Math.min(firstPauseMillis * 2 ** (this.#deaths - 1), longestPauseMillis));
    }
    if (this.#isClosed) return { kind: 'ended', text: 'the daemon ends' };
    const answer = await this.#answer(question);
    this.#deaths = isSilence(answer) ? this.#deaths + 1 : 0;
    return answer;
  }

  async #answer(question: Question): Promise<Answer | Silence> {
    try {
      this.#worker ??= this.#start();
    } catch (error) {
      // Some reasons are thrown, others are an event.
      return cannotStart(error);
    }
    return answerOf(this.#worker, question);
  }

  #start(): ChildProcess {
    const program = fileURLToPath(new URL('../serve/spnego-worker.js', import.meta.url));
    const worker = fork(program, {
      env: this.#environment,
      execArgv: [...withoutInspector],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const forget = () => {
      if (this.#worker === worker) this.#worker = undefined;
    };
    worker.on('exit', forget).on('error', () => {
      if (!isStarted(worker)) forget();
    });
    // It must not keep a daemon that has nothing else to do.
    worker.unref();
    worker.channel?.unref();
    return worker;
  }
}

const mostWaiting = 64;
/** libkrb5 asks nobody when it accepts a ticket: this is for a host that is very busy. */
const answerMillis = 10_000;
const firstPauseMillis = 100;
const longestPauseMillis = 5_000;

function answerOf(worker: ChildProcess, question: Question): Promise<Answer | Silence> {
  return new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      worker.kill('SIGKILL');
    }, answerMillis);
    const end = (result: Answer | Silence) => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('exit', onExit).off('error', onError);
      resolve(result);
    };
    const onMessage = (answer: unknown) => end(answer as Answer);
    const onExit = (status: number | null, signal: NodeJS.Signals | null) =>
      end(isLate ? late : ended(signal ?? `status ${status}`));
    const onError = (error: Error) => {
      // One that was started ends: its exit is waited for.
      if (!isStarted(worker)) end(cannotStart(error));
    };
    worker.on('message', onMessage).on('exit', onExit).on('error', onError);
    // Without a process there is no channel either, and its error is about to be told.
    if (isStarted(worker)) worker.send(question, (error) => error && worker.kill('SIGKILL'));
  });
}

const isSilence = ({ kind }: Answer | Silence) =>
  kind === 'busy' || kind === 'late' || kind === 'ended';

const late: Silence = { kind: 'late', text: `no answer within ${answerMillis / 1000} s` };

function ended(how: string): Silence {
  return { kind: 'ended', text: `the process that looks at tickets ended (${how})` };
}

function cannotStart(error: unknown): Silence {
  const { message } = noteOf(error);
  return {
    kind: 'ended',
    text: `the process that looks at tickets cannot be started (${message})`,
  };
}

import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { withoutInspector } from 'kprop';

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
    this.#queue = answer;
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
    if (this.#worker === undefined && this.#deaths > 0) {
      // Who crashes it with each request must not make this host start processes all the time.
      await sleep(Math.min(firstPauseMillis * 2 ** (this.#deaths - 1), longestPauseMillis));
    }
    if (this.#isClosed) return { kind: 'ended', text: 'the daemon ends' };
    this.#worker ??= this.#start();
    const answer = await answerOf(this.#worker, question);
    if ('signal' in answer) {
      this.#deaths += 1;
      const { signal, isLate } = answer;
      return isLate
        ? { kind: 'late', text: `no answer within ${answerMillis / 1000} s` }
        : { kind: 'ended', text: `the process that looks at tickets ended (${signal})` };
    }
    this.#deaths = 0;
    return answer;
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
    worker.on('exit', forget).on('error', forget);
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

interface Death {
  readonly signal: string;
  readonly isLate: boolean;
}

function answerOf(worker: ChildProcess, question: Question): Promise<Answer | Death> {
  return new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      worker.kill('SIGKILL');
    }, answerMillis);
    const end = (result: Answer | Death) => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('exit', onExit).off('error', onError);
      resolve(result);
    };
    const onMessage = (answer: unknown) => end(answer as Answer);
    const onExit = (status: number | null, signal: NodeJS.Signals | null) =>
      end({ signal: `${signal ?? `status ${status}`}`, isLate });
    const onError = ({ message }: Error) => end({ signal: message, isLate });
    worker.on('message', onMessage).on('exit', onExit).on('error', onError);
    worker.send(question, (error) => error && worker.kill('SIGKILL'));
  });
}

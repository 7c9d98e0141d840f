import type { ChildProcess } from 'node:child_process';

import { KpropError } from '../errors/kprop-error.ts';
import type { ReplicaDatabaseOptions } from '../host/libkdb5.ts';
import type { Environment } from './load/loader-environment.ts';
import { startProcess } from './own-code.ts';

export type ApplierRequest =
  | { readonly ask: 'open'; readonly options: ReplicaDatabaseOptions }
  | { readonly ask: 'look-up'; readonly names: readonly Uint8Array[] }
  | { readonly ask: 'replay'; readonly result: Uint8Array }
  | { readonly ask: 'reset' };

export type ApplierAnswer =
  | { readonly done: true; readonly missing: boolean }
  | {
      readonly done: false;
      readonly code: 'iprop.not-opened' | 'iprop.not-applied' | 'iprop.no-library';
      readonly reason: string;
    };

/**
 * The process that applies updates with MIT's library. It is started when it is needed, and ends when it
 * has had nothing to do for a while: it takes 45 MB, and a tenth of a second to start.
 */
export class Applier {
  readonly #options: ReplicaDatabaseOptions;
  readonly #environment: Environment;
  #child: Promise<ApplierChild> | undefined;
  #rest: NodeJS.Timeout | undefined;

  constructor(options: ReplicaDatabaseOptions, environment: Environment) {
    this.#options = options;
    this.#environment = environment;
  }

  /**
   * Starts the process unless it runs, and maps the update log, which repairs it.
   * @throws iprop.no-library, iprop.not-opened, iprop.not-applied, iprop.crashed
   */
  async open(): Promise<void> {
    await this.#opened();
    this.#restLater();
  }

  /** Whether the database lacks an entry for one of the names. @throws as open */
  async lacksOne(names: readonly Uint8Array[]): Promise<boolean> {
    return await this.#ask({ ask: 'look-up', names });
  }

  /** Applies a kdb_incr_result_t and logs its updates. @throws as open */
  async replay(result: Uint8Array): Promise<void> {
    await this.#ask({ ask: 'replay', result });
  }

  /** Forgets all updates, so that a full resync follows. @throws as open */
  async reset(): Promise<void> {
    await this.#ask({ ask: 'reset' });
  }

  /** Lets it end once it has done what it does. */
  async close(): Promise<void> {
    clearTimeout(this.#rest);
    const child = this.#child;
    this.#child = undefined;
    await (await child?.catch(() => undefined))?.close();
  }

  async #ask(request: ApplierRequest): Promise<boolean> {
    clearTimeout(this.#rest);
    try {
      return await (await this.#opened()).ask(request);
    } finally {
      this.#restLater();
    }
  }

  #restLater(): void {
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.close(), restMillis).unref();
  }

  #opened(): Promise<ApplierChild> {
    this.#child ??= this.#start();
    return this.#child;
  }

  async #start(): Promise<ApplierChild> {
    const child = new ApplierChild(this.#environment, () => {
      this.#child = undefined;
    });
    try {
      await child.ask({ ask: 'open', options: this.#options });
      return child;
    } catch (error) {
      this.#child = undefined;
      await child.close();
      throw error;
    }
  }
}

const restMillis = 30_000;

class ApplierChild {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #waiting: { resolve(answer: ApplierAnswer): void; reject(error: Error): void } | undefined;
  #end: KpropError | undefined;

  constructor(environment: Environment, onEnd: () => void) {
    this.#child = startProcess('applier-process', {
      // IPC that carries bytes as bytes.
      serialization: 'advanced',
      env: { ...environment },
      // What the library prints (an assertion that failed) belongs to nobody's peer.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // kpropd waits for answers, not for this process.
    this.#child.unref();
    this.#child.channel?.unref();
    this.#child.on('message', (answer: ApplierAnswer) => this.#settle(answer));
    this.#ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#end = new KpropError('iprop.crashed', { how });
        onEnd();
        this.#waiting?.reject(this.#end);
        this.#waiting = undefined;
        resolve();
      };
      this.#child.on('error', (error) => end(error.message));
      this.#child.on('exit', (status, signal) => end(signal ?? `exit status ${status}`));
    });
  }

  /** One question at a time. */
  async ask(request: ApplierRequest): Promise<boolean> {
    if (this.#end !== undefined) throw this.#end;
    this.#child.channel?.ref();
    try {
      const answer = await new Promise<ApplierAnswer>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#child.send(request, (error) => {
          if (error !== null) reject(new KpropError('iprop.crashed', { how: error.message }));
        });
      });
      if (answer.done) return answer.missing;
      throw new KpropError(answer.code, { reason: answer.reason });
    } finally {
      this.#child.channel?.unref();
    }
  }

  async close(): Promise<void> {
    // Its end is waited for, and must keep this process alive until then.
    this.#child.ref();
    if (this.#child.connected) this.#child.disconnect();
    await this.#ended;
  }

  #settle(answer: ApplierAnswer): void {
    this.#waiting?.resolve(answer);
    this.#waiting = undefined;
  }
}

import { closeSync } from 'node:fs';

import { KpropError } from '../../errors/kprop-error.ts';
import { openPipe } from '../../host/pipe.ts';
import type { DumpRecords } from '../../kdb/dump/record-count.ts';
import { Feeder } from './feeder.ts';
import type { LoadGuard } from './load-guard.ts';
import type { CompleteDump, EarlyLoad, LoadJob, LoadWay } from './load-way.ts';
import { type LoaderOptions, loadDump } from './loader.ts';

/** Large enough that the loader has work while this process is busy with what arrives. */
const pipeBytes = 1 << 20;
/** A load keeps every other load of this host waiting, so one whose sender falls silent ends. */
const usualPatienceMillis = 10_000;

export interface FedLoadOptions extends LoadJob {
  readonly loader: LoaderOptions;
  readonly guard: LoadGuard;
  /** Loads the file instead if this load had to stop. */
  readonly fromFile: LoadWay;
  /** How long nothing may arrive before the load gives way. */
  readonly patienceMillis?: number | undefined;
}

type State =
  | { readonly at: 'feeding'; readonly patience: NodeJS.Timeout }
  /** The guard holds the old database, and the loader may have the end of its input. */
  | { readonly at: 'committing'; readonly path: string }
  /** The loader is killed; `path` if that was after the commit began. */
  | { readonly at: 'given-up'; readonly path?: string }
  /** The loader has ended by itself, and the database is being looked after. */
  | { readonly at: 'ended' }
  | { readonly at: 'loaded'; readonly records: DumpRecords | undefined }
  | { readonly at: 'failed'; readonly error: unknown };

/**
 * A load by kdb5_util that begins while the dump is still arriving. kdb5_util reads a dump once, from
 * start to end, into a database of its own, and makes that live when its input ends. So only `commit`
 * gives it that end; in every other case it is dead before the pipe is closed.
 */
export class FedLoad implements EarlyLoad {
  readonly natively = false;
  readonly over: Promise<void>;
  readonly #o: FedLoadOptions;
  readonly #feeder: Feeder;
  readonly #kill = new AbortController();
  /** Settles when the feeder feeds no more. */
  readonly #fed: Promise<void>;
  #pid = 0;
  #state: State;

  /** Starts the loader. @throws what openPipe throws */
  constructor(o: FedLoadOptions) {
    this.#o = o;
    const { readEnd, ...pipe } = openPipe(pipeBytes);
    this.#state = this.#feeding();
    this.#feeder = new Feeder(o.spool, pipe);
    const load = loadDump({ readEnd, name: () => this.#nameOfInput() }, o.loader, {
      kind: 'plain',
      signal: AbortSignal.any([this.#kill.signal, o.signal]),
      onStart: (pid) => {
        this.#pid = pid;
        o.onEvent({ kind: 'streaming', pid });
      },
      onOutput: (text, to) => o.onEvent({ kind: 'loader-output', text, to }),
    });
    // While a copy is open here, a write into the pipe of a dead loader would not fail.
    closeSync(readEnd);
    this.over = load.then(
      () => this.#loaderEnded(undefined),
      (error: unknown) => this.#loaderEnded({ error }),
    );
    this.#fed = this.#feeder.run().then(
      (how) => (how === 'unfit' ? this.giveWay() : undefined),
      // The spool cannot be read back at the moment; loading its file says why, or works.
      () => this.giveWay(),
    );
  }

  grow(bytes: number): void {
    this.#feeder.grow(bytes);
    if (this.#state.at !== 'feeding') return;
    clearTimeout(this.#state.patience);
    this.#state = this.#feeding();
  }

  async commit(dump: CompleteDump): Promise<DumpRecords | undefined> {
    if (this.#state.at === 'feeding') {
      clearTimeout(this.#state.patience);
      this.#state = { at: 'committing', path: dump.path };
      this.#o.onEvent({ kind: 'loader-started', pid: this.#pid });
      await this.#o.guard.protect(dump.path);
      this.#feeder.complete(dump.bytes);
      await this.#fed;
    }
    await this.over;
    const outcome = this.#now();
    if (outcome.at === 'failed') throw outcome.error;
    if (outcome.at !== 'loaded') return this.#o.fromFile.commit(dump);
    return outcome.records;
  }

  giveWay(): Promise<void> {
    const state = this.#state;
    if (state.at === 'feeding') clearTimeout(state.patience);
    if (state.at === 'feeding' || state.at === 'committing') {
      this.#state = { ...state, at: 'given-up' };
      this.#kill.abort();
    }
    return this.over;
  }

  abandon(): Promise<void> {
    return this.giveWay();
  }

  #feeding(): State {
    const { patienceMillis = usualPatienceMillis } = this.#o;
    return { at: 'feeding', patience: setTimeout(() => void this.giveWay(), patienceMillis) };
  }

  /** The state after something was awaited. */
  #now(): State {
    return this.#state;
  }

  /** The file that the loader's messages name instead of its standard input. */
  #nameOfInput(): string {
    return ('path' in this.#state && this.#state.path) || this.#o.spool;
  }

  async #loaderEnded(failure: { readonly error: unknown } | undefined): Promise<void> {
    // The loader is dead, so nobody can take this for the end of a dump.
    this.#feeder.close();
    const { guard, failing } = this.#o;
    const before = this.#state;
    if (before.at === 'feeding') clearTimeout(before.patience);
    if (before.at !== 'given-up') this.#state = { at: 'ended' };
    const path = 'path' in before ? before.path : undefined;
    let bad = failure;
    let records: DumpRecords | undefined;
    if (bad !== undefined) await guard.recover();
    else if (path !== undefined) {
      records = await guard.confirm(path).catch((error: unknown) => {
        bad = { error };
        return undefined;
      });
    }
    if (before.at === 'given-up') return;
    if (bad !== undefined) {
      const error = bad.error instanceof KpropError ? bad.error.during('load') : bad.error;
      this.#state = { at: 'failed', error };
      if (before.at === 'feeding') failing.abort(error);
    } else if (path !== undefined) this.#state = { at: 'loaded', records };
    // Before the commit it cannot have read the whole dump. Loading the file shows what is wrong.
    else this.#state = { at: 'given-up' };
  }
}

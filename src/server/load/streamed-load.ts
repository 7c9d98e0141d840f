import { closeSync } from 'node:fs';

import { KpropError } from '../../errors/kprop-error.ts';
import { openPipe } from '../../host/pipe.ts';
import { Feeder } from './feeder.ts';
import type { LoadGuard } from './load-guard.ts';
import { type LoaderOptions, type LoadRun, loadDump } from './loader.ts';

/** So much waits in the pipe, for while we are busy with what arrives the loader must not starve. */
const pipeBytes = 1 << 20;
/** A load holds up every other load on this host: one whose sender has fallen silent is given up. */
const usualPatienceMillis = 10_000;

export interface StreamedLoadOptions {
  readonly loader: LoaderOptions;
  /** The file where the dump is being spooled. */
  readonly spool: string;
  readonly signal: AbortSignal;
  readonly onStart: (pid: number) => void;
  readonly onOutput: NonNullable<LoadRun['onOutput']>;
  /** The loader has failed: nothing will come of this dump, however the rest of it arrives. */
  readonly onFailure: () => void;
  readonly guard: LoadGuard;
  /** How long nothing may come before it is given up. */
  readonly patienceMillis?: number | undefined;
}

type Fate = 'loading' | 'loaded' | 'failed' | 'abandoned';

/**
 * A load that began while its dump is still arriving. kdb5_util reads a dump once, from its start to
 * its end, into a database of its own, and makes that live when its input ends. So it gets that end
 * from `finish` alone; in every other case it is dead before the pipe is closed.
 */
export class StreamedLoad {
  readonly #feeder: Feeder;
  readonly #kill = new AbortController();
  readonly #fed: Promise<'ended' | 'stopped' | 'unfit'>;
  /** Settles when the loader has ended and all is cleaned up behind it. */
  readonly over: Promise<void>;
  readonly #report: StreamedLoadOptions;
  #fate: Fate = 'loading';
  #failure: unknown;
  #name: string;
  #finishing = false;
  #patience: NodeJS.Timeout | undefined;

  /** Starts the loader. @throws what openPipe throws */
  constructor(o: StreamedLoadOptions) {
    this.#report = o;
    this.#name = o.spool;
    const { readEnd, ...pipe } = openPipe(pipeBytes);
    this.#feeder = new Feeder(o.spool, pipe);
    const dump = { readEnd, name: () => this.#name };
    const signal = AbortSignal.any([this.#kill.signal, o.signal]);
    const { onStart, onOutput } = o;
    const load = loadDump(dump, o.loader, { kind: 'plain', signal, onStart, onOutput });
    // While a copy is open here, nothing tells that the loader has gone.
    closeSync(readEnd);
    this.over = load.then(
      () => this.#ended('loaded'),
      (error: unknown) => this.#ended('failed', error),
    );
    // What cannot be fed can still be loaded from the file.
    this.#fed = this.#feeder.run().catch(() => 'unfit');
    void this.#fed.then((how) => {
      if (how === 'unfit') void this.abandon();
    });
    this.#waitForMore();
  }

  /** Whether something may still come of it. */
  get underWay(): boolean {
    return this.#fate === 'loading';
  }

  /** @throws why the loader failed, if it did by itself */
  throwIfFailed(): void {
    if (this.#fate === 'failed') throw this.#failure;
  }

  /** The spool has so many bytes of the dump by now. */
  grow(bytes: number): void {
    this.#feeder.grow(bytes);
    this.#waitForMore();
  }

  /**
   * All bytes are there, have been checked and lie in the file of this name: the loader gets the
   * rest, and the end. True when its database is live; false if it has to be loaded from the file.
   * @throws as loadDump
   */
  async finish(bytes: number, path: string): Promise<boolean> {
    if (this.#fate !== 'loading') {
      await this.over;
      this.throwIfFailed();
      return false;
    }
    this.#finishing = true;
    this.#name = path;
    clearTimeout(this.#patience);
    await this.#report.guard.protect(path);
    this.#feeder.complete(bytes);
    await this.#fed;
    await this.over;
    this.throwIfFailed();
    return (this.#fate as Fate) === 'loaded';
  }

  /** Kills the loader, unless it has ended, and resolves when nothing is left of it. */
  abandon(): Promise<void> {
    if (this.#fate === 'loading') {
      this.#fate = 'abandoned';
      this.#kill.abort();
    }
    return this.over;
  }

  async #ended(how: 'loaded' | 'failed', error?: unknown): Promise<void> {
    clearTimeout(this.#patience);
    // It is dead, and nobody is left to take this for the end of a dump.
    this.#feeder.close();
    const reported = this.#fate === 'loading' && how === 'failed' && !this.#finishing;
    const { guard, onFailure } = this.#report;
    let failure = error;
    if (how === 'failed') await guard.recover();
    else if (this.#finishing) {
      // What a program of somebody else did that does not read to the end, its load from the file shows.
      failure = await guard.confirm(this.#name).then(
        () => undefined,
        (unsound: unknown) => unsound,
      );
    }
    if (this.#fate === 'loading') {
      const done = how === 'loaded' && failure === undefined;
      this.#fate = !done ? 'failed' : this.#finishing ? 'loaded' : 'abandoned';
      this.#failure = failure instanceof KpropError ? failure.during('load') : failure;
    }
    if (reported) onFailure();
  }

  #waitForMore(): void {
    clearTimeout(this.#patience);
    if (this.#fate !== 'loading' || this.#finishing) return;
    const { patienceMillis = usualPatienceMillis } = this.#report;
    this.#patience = setTimeout(() => void this.abandon(), patienceMillis);
  }
}

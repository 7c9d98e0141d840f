import { closeSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { withDb2Lock } from '../../kdb/db2/lock.ts';
import type { DumpRecords } from '../../kdb/dump/record-count.ts';
import { NativeThread } from '../native-thread.ts';
import type { Judge } from './judge.ts';
import type { CompleteDump, EarlyLoad, LoadJob, LoadWay } from './load-way.ts';
import {
  type BuildFailure,
  type BuildResult,
  type BuiltDatabase,
  NativeBuild,
} from './native-build.ts';
import { NewFiles } from './new-files.ts';
import { dropPrevious, publish } from './publication.ts';
import type { ReplicaLog } from './replica-log.ts';

export interface NativeLoadOptions extends LoadJob {
  /** The path of the live principals. */
  readonly database: string;
  /** The canonical name of the master key's entry. */
  readonly masterKey: string;
  readonly judge: Judge;
  /** The update log of this replica, if it keeps one. */
  readonly log: ReplicaLog | undefined;
  /** Loads the file if the dump is not for a native load; undefined: then it is refused. */
  readonly fromFile: LoadWay | undefined;
  /** Puts right what an earlier load by kdb5_util has left. */
  readonly recover: () => Promise<void>;
}

/** A smaller dump is read in a few milliseconds, sooner than a thread starts. */
export const threadFromBytes = 1 << 20;

/** In another thread or in this one. */
type Build = Pick<NativeThread, 'grow' | 'finish' | 'merge'> & { close?(): Promise<void> };

interface Work {
  readonly spool: number;
  readonly files: NewFiles;
  readonly build: Build;
}

/**
 * A load without kdb5_util: the files of the new database are written beside the live ones, while the
 * dump arrives or when it is complete, checked, and renamed. Until then it is in nobody's way.
 * @see docs/native-load.md
 */
export class NativeLoad implements EarlyLoad {
  readonly natively = true;
  readonly over: Promise<void>;
  readonly #o: NativeLoadOptions;
  #work: Promise<Work> | undefined;
  #end = () => {};

  constructor(o: NativeLoadOptions) {
    this.#o = o;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Begins while the dump arrives. */
  start(): void {
    this.#work = this.#begin(this.#o.spool, { inThread: true });
    // The commit tells what went wrong.
    this.#work.catch(() => undefined);
  }

  grow(bytes: number): void {
    void this.#work?.then(
      ({ build }) => build.grow(bytes),
      () => undefined,
    );
  }

  /** Files of other names disturb nobody who loads now. */
  async giveWay(): Promise<void> {}

  async commit(dump: CompleteDump): Promise<DumpRecords | undefined> {
    try {
      const fit = dump.kind === 'plain' || this.#o.log !== undefined;
      let result = fit ? await this.#load(dump) : noLog;
      if (isNoRoom(result) && (await dropPrevious(this.#o.database))) {
        await this.#clear();
        result = await this.#load(dump);
      }
      return 'failure' in result ? await this.#instead(result.failure, dump) : result.done;
    } finally {
      await this.abandon();
    }
  }

  async abandon(): Promise<void> {
    await this.#clear();
    this.#end();
  }

  async #begin(spoolPath: string, o: { readonly inThread: boolean }): Promise<Work> {
    const { database, masterKey } = this.#o;
    const spool = openSync(spoolPath, 'r');
    let files: NewFiles | undefined;
    try {
      files = await NewFiles.create(database);
      await files.takeOwnerOf(database);
      const [principals, policies] = [files.principals.fd, files.policies.fd];
      const order = { spool, principals, policies, masterKey };
      const build = o.inThread
        ? new NativeThread(order, (failure) => this.#stopSender(failure))
        : new NativeBuild(order);
      return { spool, files, build };
    } catch (error) {
      closeSync(spool);
      await files?.close();
      throw error;
    }
  }

  /** It is of no use to receive the rest of a dump that cannot be loaded in any way. */
  #stopSender(failure: BuildFailure): void {
    if (failure.kind !== 'refusal' || failure.verdict !== 'refuse') return;
    this.#o.failing.abort(refused(this.#o.spool, failure));
  }

  /** Makes the dump live and gives what it holds, or why that is not possible. @throws the signal's reason */
  async #load(dump: CompleteDump): Promise<BuildResult<DumpRecords>> {
    const { signal } = this.#o;
    try {
      this.#work ??= this.#begin(dump.path, { inThread: dump.bytes >= threadFromBytes });
      const { files, build } = await this.#work;
      const built = await build.finish(dump.bytes);
      signal.throwIfAborted();
      if ('failure' in built) return built;
      const failure = await this.#makeLive(files, build, built.done, dump);
      const { principals, policies } = built.done;
      return failure === undefined ? { done: { principals, policies } } : { failure };
    } catch (error) {
      signal.throwIfAborted();
      const errno = errnoOf(error);
      if (errno === '') throw error;
      return { failure: { kind: 'errno', errno } };
    }
  }

  async #makeLive(
    files: NewFiles,
    build: Build,
    { header }: BuiltDatabase,
    dump: CompleteDump,
  ): Promise<BuildFailure | undefined> {
    const { database, judge, log, signal, recover } = this.#o;
    const due = await judge.isDue(header.form);
    if (due) {
      const failure = await this.#judge(files, dump);
      if (failure !== undefined) return failure;
    }
    await recover();
    let notMerged: BuildFailure | undefined;
    const merge = async (live: FileHandle) => {
      const merged = await build.merge(live.fd);
      if ('failure' in merged) notMerged = merged.failure;
      return notMerged === undefined;
    };
    const merging = header.kind === 'resync';
    // Most of the merging is done while nobody is kept from writing; what is left takes a moment.
    if (merging) await withLiveDatabase(database, merge);
    if (notMerged !== undefined) return notMerged;
    await log?.forget(signal);
    const done = await publish(database, files, {
      signal,
      whileLocked: merging ? merge : undefined,
    });
    if (!done) return notMerged;
    await log?.begin(header.point, signal);
    await judge.note(header.form, { judged: due }).catch(() => undefined);
    return undefined;
  }

  async #judge(files: NewFiles, dump: CompleteDump): Promise<BuildFailure | undefined> {
    const { judge, fromFile, signal } = this.#o;
    const verdict = await judge.judge(files.path, dump.path, signal);
    if (verdict.is === 'same') return undefined;
    if (verdict.is === 'different') {
      return { kind: 'fault', reason: `what kdb5_util dumps differs: ${verdict.reason}` };
    }
    const text = `kdb5_util cannot be run to compare the database with its dump: ${verdict.reason}`;
    if (fromFile !== undefined) return { kind: 'undone', reason: text };
    this.#notice(text);
    return undefined;
  }

  /** What is done if the dump was not loaded natively. @throws loader.* */
  async #instead(failure: BuildFailure, dump: CompleteDump): Promise<DumpRecords | undefined> {
    const { database, fromFile, onEvent } = this.#o;
    if (failure.kind === 'errno') {
      throw new KpropError('loader.unwritten', { path: database, errno: failure.errno });
    }
    if (failure.kind === 'refusal' && failure.verdict === 'refuse')
      throw refused(dump.path, failure);
    const { reason } = failure;
    if (failure.kind === 'refusal') {
      const { line } = failure;
      if (fromFile === undefined) {
        throw new KpropError('loader.not-native', { path: dump.path, line, reason });
      }
      this.#notice(`kdb5_util loads ${dump.path}, because of line ${line}: ${reason}`);
    } else if (failure.kind === 'undone') {
      if (fromFile === undefined) throw new KpropError('loader.undone', { path: database, reason });
      this.#notice(`kdb5_util loads ${dump.path}, which could not be loaded natively: ${reason}`);
    } else {
      await (await this.#work?.catch(() => undefined))?.files.setAside(database);
      if (fromFile === undefined)
        throw new KpropError('loader.rejected', { path: database, reason });
      this.#notice(
        `the database that was written natively from ${dump.path} is not used (${reason}); it is kept as ${database}.rejected, and kdb5_util loads the dump`,
      );
    }
    onEvent({ kind: 'loading', path: dump.path, natively: false });
    await this.#clear();
    return fromFile.commit(dump);
  }

  async #clear(): Promise<void> {
    const work = await this.#work?.catch(() => undefined);
    this.#work = undefined;
    if (work === undefined) return;
    await work.build.close?.();
    closeSync(work.spool);
    await work.files.close();
  }

  #notice(text: string): void {
    this.#o.onEvent({ kind: 'notice', text });
  }
}

/** What kdb5_util would say of it: Iprop not enabled. */
const noLog: BuildResult<never> = {
  failure: {
    kind: 'refusal',
    verdict: 'hand-over',
    line: 1,
    reason: 'it is a resync dump, and iprop_enable is not set',
  },
};

type Refusal = Extract<BuildFailure, { kind: 'refusal' }>;

function refused(path: string, { line, reason }: Refusal): KpropError {
  return new KpropError('loader.refused', { path, line, reason }).during('load');
}

function isNoRoom(result: BuildResult<unknown>): boolean {
  if (!('failure' in result)) return false;
  const { failure } = result;
  return failure.kind === 'errno' && ['ENOSPC', 'EDQUOT'].includes(failure.errno);
}

/** Does the work with the live database under the locks of those who read it, if there is one. */
async function withLiveDatabase(
  database: string,
  work: (live: FileHandle) => Promise<unknown>,
): Promise<void> {
  const lock = { kind: 'shared', patienceMillis: lockMillis } as const;
  await withDb2Lock(`${database}.ok`, lock, async () => {
    await withDb2Lock(`${database}.kadm5.lock`, lock, async () => {
      const live = await open(database, 'r').catch(() => undefined);
      try {
        if (live !== undefined) await work(live);
      } finally {
        await live?.close();
      }
    });
  });
}

/** What cannot be merged in this time is merged while the database is locked. */
const lockMillis = 2_000;

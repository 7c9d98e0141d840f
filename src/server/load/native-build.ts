import { fdatasync, fsync, readSync } from 'node:fs';
import { promisify } from 'node:util';

import { errnoOf } from '../../errors/com-err.ts';
import { type BuiltFile, DatabaseBuilder } from '../../kdb/db2/builder.ts';
import { checkBtree } from '../../kdb/db2/checker.ts';
import { mergeLockout } from '../../kdb/db2/lockout-merge.ts';
import { Db2Damage } from '../../kdb/db2/page-window.ts';
import type { DumpHeader } from '../../kdb/dump/header.ts';
import { DumpRefusal } from '../../kdb/dump/refusal.ts';

/** What is built, and where: descriptors of this process. */
export interface BuildOrder {
  /** The file that the dump is spooled to, open for reading. */
  readonly spool: number;
  /** Two empty files, open for reading and writing. */
  readonly principals: number;
  readonly policies: number;
  readonly masterKey: string;
}

/** Why nothing was built; it can be sent to another thread. */
export type BuildFailure =
  | {
      readonly kind: 'refusal';
      readonly verdict: 'hand-over' | 'refuse';
      readonly line: number;
      readonly reason: string;
    }
  /** The files could not be written, or read back as they were written. */
  | { readonly kind: 'errno'; readonly errno: string }
  | { readonly kind: 'fault'; readonly reason: string }
  /** There are no new files: the work could not be done, or the live database could not be read. */
  | { readonly kind: 'undone'; readonly reason: string };

export type BuildResult<T> = { readonly done: T } | { readonly failure: BuildFailure };

/** What the new files hold, when they are whole, checked and on the disk. */
export interface BuiltDatabase {
  readonly header: DumpHeader;
  readonly principals: number;
  readonly policies: number;
}

/** How much is read at a time. */
const pieceBytes = 256 << 10;
/** How much of the new files may wait for the disk. */
const syncBytes = 64 << 20;

/**
 * Makes the files of a new database from a dump that grows in its spool. Each step tells by its result
 * how it went, so that the work can be done in a thread of its own; see native-worker.ts.
 */
export class NativeBuild {
  readonly #order: BuildOrder;
  readonly #builder: DatabaseBuilder;
  readonly #piece = new Uint8Array(pieceBytes);
  #readBytes = 0;
  #syncedBytes = 0;
  #failure: BuildFailure | undefined;

  constructor(order: BuildOrder) {
    this.#order = order;
    this.#builder = new DatabaseBuilder(order);
  }

  /** This many bytes of the dump, from its start, can be read. Gives what has gone wrong so far. */
  grow(bytes: number): BuildFailure | undefined {
    if (this.#failure !== undefined) return this.#failure;
    try {
      while (this.#readBytes < bytes) this.#readPiece(bytes - this.#readBytes);
    } catch (error) {
      this.#failure = failureOf(error);
    }
    if (this.#readBytes - this.#syncedBytes >= syncBytes) {
      this.#syncedBytes = this.#readBytes;
      // Only so that the last sync, which does count, is short.
      fdatasync(this.#order.principals, () => undefined);
    }
    return this.#failure;
  }

  /** The dump has this many bytes, and all can be read. Resolves when the new files are on the disk. */
  async finish(bytes: number): Promise<BuildResult<BuiltDatabase>> {
    const failure = this.grow(bytes);
    if (failure !== undefined) return { failure };
    try {
      const built = this.#builder.finish();
      const { principals, policies } = this.#order;
      await sync(principals);
      await sync(policies);
      const fault = faultOf(principals, built.principals) ?? faultOf(policies, built.policies);
      if (fault !== undefined) return { failure: { kind: 'fault', reason: fault } };
      const { header } = built;
      const counts = { principals: built.principals.records, policies: built.policies.records };
      return { done: { header, ...counts } };
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }

  /** Merges what a KDC noted in the live file into the new one, and syncs it. Gives how many entries. */
  async merge(live: number): Promise<BuildResult<number>> {
    try {
      const changed = mergeLockout(live, this.#order.principals);
      if (changed > 0) await sync(this.#order.principals);
      return { done: changed };
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }

  #readPiece(most: number): void {
    const wanted = Math.min(most, pieceBytes);
    const count = readSync(this.#order.spool, this.#piece, 0, wanted, this.#readBytes);
    if (count === 0) throw Object.assign(new Error('the spool is shorter than it was'), shorter);
    this.#builder.push(this.#piece.subarray(0, count));
    this.#readBytes += count;
  }
}

const sync = promisify(fsync);
const shorter = { code: 'EIO' };

function faultOf(file: number, built: BuiltFile): string | undefined {
  const found = checkBtree(file);
  if (found.fault !== undefined) return found.fault;
  const same = found.records === built.records && found.digest === built.digest;
  return same ? undefined : 'it does not hold what was written';
}

function failureOf(error: unknown): BuildFailure {
  if (error instanceof DumpRefusal) {
    const { verdict, line, reason } = error;
    return { kind: 'refusal', verdict, line, reason };
  }
  if (error instanceof Db2Damage) {
    return { kind: 'undone', reason: `the live database cannot be merged: ${error.message}` };
  }
  const errno = errnoOf(error);
  if (errno === '') throw error;
  return { kind: 'errno', errno };
}

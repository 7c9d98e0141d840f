import type { Stats } from 'node:fs';
import { rename, unlink, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { syncFile, syncFolder } from '../../host/durable.ts';
import { exists, isSameFile, statOf } from '../../host/file-identity.ts';
import { databaseParts, faultOfDatabase } from '../../kdb/db2/contents.ts';
import { withDb2Lock } from '../../kdb/db2/lock.ts';
import { OldDatabase } from '../../kdb/db2/old-database.ts';
import { faultOfOpening } from '../../kdb/db2/soundness.ts';
import { countRecords, type DumpRecords } from '../../kdb/dump/record-count.ts';
import { Queue } from '../queue.ts';
import type { LoadGuard } from './load-guard.ts';
import { LoadLock } from './load-lock.ts';
import { sweepNewFiles } from './new-files.ts';
import { dropPrevious } from './publication.ts';

export interface Db2FilesOptions {
  /** The dump that was loaded last; after a crash the database is compared with it. */
  readonly dump?: string | undefined;
  /** Whether the place was configured; if so, the loader must have put its database there. */
  readonly certain?: boolean | undefined;
  /** Gets one line for the administrator. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/**
 * The files of a db2 database. kdb5_util renames its new database over the live one before it has
 * written the last pages (krb5 src/plugins/kdb/db2: first the rename, last the close that flushes),
 * and ignores it if they cannot be written. The live database is then one that no program can open
 * and no later load can replace. So the old database keeps a second name until the new one is known
 * to be whole and on the disk, and is put back if it is not.
 */
export class Db2Files implements LoadGuard {
  readonly #live: string;
  readonly #temporary: string;
  readonly #options: Db2FilesOptions;
  readonly #old: OldDatabase;
  readonly #lock: LoadLock;
  readonly #queue = new Queue();
  #counted: { readonly dump: string; readonly records: Promise<DumpRecords> } | undefined;
  /** The principals that were live before the load. */
  #before: Stats | undefined;

  constructor(database: string, o: Db2FilesOptions = {}) {
    this.#live = database;
    this.#temporary = `${database}~`;
    this.#options = o;
    this.#old = new OldDatabase(database);
    this.#lock = new LoadLock(`${database}.load-lock`);
  }

  inspect(): Promise<void> {
    return this.#queue.run(async () => {
      await this.#lock.ifFree(() => this.#recover());
      await sweepNewFiles(this.#live);
      if (!(await exists(this.#live))) return;
      let fault: string | undefined;
      await this.#locked('shared', loaderMillis, async () => {
        fault = await faultOfDatabase(this.#live);
      });
      if (fault === undefined) return;
      this.#notice(
        `${this.#live} is no sound database: ${fault}. The next propagation replaces it: run kprop on the primary`,
      );
    });
  }

  enter(o: { readonly signal?: AbortSignal; onWait(): Promise<void> }): Promise<void> {
    return this.#lock.enter(o).catch((cause: unknown) => this.#unprotected(cause));
  }

  leave(): Promise<void> {
    return this.#lock.leave();
  }

  protect(dump: string): Promise<void> {
    return this.#queue.run(() =>
      this.#protect(dump).catch((cause: unknown) => this.#unprotected(cause)),
    );
  }

  confirm(dump: string): Promise<DumpRecords | undefined> {
    return this.#queue.run(() => this.#confirm(dump));
  }

  recover(): Promise<void> {
    return this.#queue.run(async () => {
      await this.disclaim();
      await this.#lock.ifFree(() => this.#recover());
    });
  }

  /** Releases its claim on the kept old database, as the death of this process would. */
  disclaim(): Promise<void> {
    return this.#old.disclaim();
  }

  /** @throws the cause if it is a KpropError, such as a time limit; else loader.unprotected */
  #unprotected(cause: unknown): never {
    if (cause instanceof KpropError) throw cause;
    const detail = { path: this.#live, errno: errnoOf(cause) };
    throw new KpropError('loader.unprotected', detail, { cause });
  }

  async #protect(dump: string): Promise<void> {
    // If another kpropd keeps the old database during its own load, that serves this load as well.
    const shared = (await this.#old.exists()) && !(await this.#old.claim());
    if (!shared) {
      // A kept database that nobody claims is of a load that was interrupted.
      const done = await this.#putRight(undefined);
      await this.disclaim();
      if (!done) throw Object.assign(new Error('another program keeps it locked'), busy);
      await this.#old.remove();
      await this.#setAside();
      await this.#old.keep();
    }
    this.#before = await statOf(this.#live);
    // Counted while the loader works, so that it costs no time; confirm uses it and reports its errors.
    this.#counted = { dump, records: countRecords(dump) };
    this.#counted.records.catch(() => undefined);
  }

  async #confirm(dump: string): Promise<DumpRecords | undefined> {
    const live = await statOf(this.#live);
    const replaced = live !== undefined && !isSameFile(live, this.#before);
    const elsewhere = !replaced && isNothingLost(live, this.#before) && !this.#options.certain;
    if (elsewhere) {
      this.#notice(
        `${this.#live} was not replaced by the load, so what was loaded could not be checked: name the database with -F, or with database_name in kdc.conf`,
      );
      await this.#old.release();
      return undefined;
    }
    const counted = this.#counted?.dump === dump ? this.#counted.records : undefined;
    let fault: string | undefined =
      live === undefined
        ? 'it is not there after the load'
        : 'it is still the one from before the load';
    if (replaced) {
      const looked = await this.#locked('shared', lockMillis, async () => {
        fault = await faultOfDatabase(this.#live, dump, counted).catch(
          (error: unknown) => `it cannot be compared with its dump: ${errnoText(errnoOf(error))}`,
        );
      });
      if (!looked) fault = 'another program keeps it locked';
      fault ??= await this.#makeDurable();
    }
    if (fault !== undefined) return this.#reject(fault);
    await this.#old.release();
    for (const part of databaseParts) await unlink(this.#aside(part)).catch(() => undefined);
    // It is no longer the one before.
    await dropPrevious(this.#live);
    return counted;
  }

  async #reject(reason: string): Promise<never> {
    await this.#locked('exclusive', lockMillis, () => this.#putBack());
    await this.disclaim();
    await this.#recover();
    const now = await statOf(this.#live);
    const nothing = this.#before === undefined && now === undefined;
    const left = nothing ? 'none' : isSameFile(now, this.#before) ? 'old' : 'broken';
    throw new KpropError('loader.unsound', { path: this.#live, reason, left });
  }

  /** Syncs the live files, against a power cut. Gives the reason if that failed. */
  async #makeDurable(): Promise<string | undefined> {
    try {
      for (const part of databaseParts) await syncFile(this.#live + part);
      await syncFolder(dirname(this.#live));
      return undefined;
    } catch (error) {
      return `it cannot be written to the disk: ${errnoText(errnoOf(error))}`;
    }
  }

  async #recover(): Promise<void> {
    const left = await Promise.all(remains.map((end) => exists(this.#temporary + end)));
    if (!left.includes(true) && !(await this.#old.exists())) return;
    const lock = { kind: 'exclusive', patienceMillis: 0, create: true } as const;
    // What cannot be repaired now is tried again before the next load.
    await withDb2Lock(`${this.#temporary}.ok`, lock, async () => {
      if (await this.#old.exists()) {
        // Another kpropd's load is still under way.
        if (!(await this.#old.claim())) return;
        const done = await this.#putRight(this.#options.dump);
        await this.disclaim();
        if (!done) return;
        await this.#old.remove();
      }
      for (const end of [...remains, loadersLock])
        await unlink(this.#temporary + end).catch(() => undefined);
    }).catch(() => undefined);
  }

  /** Puts the old database back if the load that it was kept for went wrong; false if it is locked. */
  async #putRight(dump: string | undefined): Promise<boolean> {
    // Kept policies without principals are what an interrupted removal has left.
    if (!(await this.#old.exists())) return true;
    if (!(await this.#old.replaced()).includes(true)) return true;
    // A loader holds this lock until it has written everything.
    return this.#locked('exclusive', loaderMillis, async () => {
      const replaced = await this.#old.replaced();
      if (!replaced.includes(true) || (!replaced.includes(false) && (await this.#isWhole(dump))))
        return;
      // If there was no database before, a usable one, perhaps loaded by hand, stays.
      if ((await this.#old.isNothing()) && (await this.#isWhole(undefined))) return;
      await this.#putBack((part) => this.#aside(part));
      this.#notice(
        `a load of ${this.#live} did not come to its end: the database from before it is live again, and what stood there is kept as ${this.#aside('')}. Run kprop on the primary`,
      );
    });
  }

  /** Whether the live database is sound, and is the whole dump if that is known. */
  async #isWhole(dump: string | undefined): Promise<boolean> {
    const known = dump !== undefined && (await exists(dump)) ? dump : undefined;
    return (await faultOfDatabase(this.#live, known)) === undefined;
  }

  /** Puts the old database back. `aside` names where the live one goes; without it, it is removed. */
  async #putBack(aside?: (part: string) => string): Promise<void> {
    await this.#old.restore(aside);
    // Programs that have the database open see by this time that it was replaced.
    const mark = `${this.#live}.ok`;
    const now = Math.max(Date.now(), ((await statOf(mark))?.mtimeMs ?? 0) + 1_000) / 1000;
    await utimes(mark, now, now).catch(() => undefined);
    await syncFolder(dirname(this.#live)).catch(() => undefined);
  }

  /** Moves a live database that cannot be opened out of the way: kdb5_util would not replace it. */
  async #setAside(): Promise<void> {
    const fault = async () =>
      (await exists(this.#live)) ? await faultOfOpening(this.#live) : undefined;
    if ((await fault()) === undefined) return;
    await this.#locked('exclusive', loaderMillis, async () => {
      const broken = await fault();
      if (broken === undefined) return;
      for (const part of databaseParts) {
        await rename(this.#live + part, this.#aside(part)).catch(() => undefined);
      }
      this.#notice(
        `${this.#live} is no sound database: ${broken}. It is kept as ${this.#aside('')} until the next load has succeeded`,
      );
    });
  }

  /** Does the work under the lock that every program takes before it opens the database. */
  #locked(
    kind: 'shared' | 'exclusive',
    patienceMillis: number,
    work: () => Promise<void>,
  ): Promise<boolean> {
    return withDb2Lock(`${this.#live}.ok`, { kind, patienceMillis }, work);
  }

  #notice(text: string): void {
    this.#options.onNotice?.(text);
  }

  #aside(part: string): string {
    return `${this.#live}${part}.unsound`;
  }
}

/** Whether the database from before, or its absence, is unchanged. */
function isNothingLost(live: Stats | undefined, before: Stats | undefined): boolean {
  return before === undefined ? live === undefined : isSameFile(live, before);
}

/**
 * Endings of the files that an interrupted kdb5_util load leaves. Its lock alone tells nothing: a native
 * load leaves it, too, since whoever waits for it must not get the lock of a file without a name.
 */
const remains = ['', '.kadm5', '.kadm5.lock'];
const loadersLock = '.ok';
const busy = { code: 'EBUSY' };
const loaderMillis = 2_000;
/** No write of a KDC and no dump holds the database for longer than this. */
const lockMillis = 60_000;

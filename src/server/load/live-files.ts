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
import { Turns } from '../turn.ts';
import type { LoadGuard } from './load-guard.ts';
import { LoadLock } from './load-lock.ts';

export interface Db2FilesOptions {
  /** Where the dump is that was loaded last, to hold the database against it after a crash. */
  readonly dump?: string | undefined;
  /** Whether this place was named, so that the loader must have left its database there. */
  readonly certain?: boolean | undefined;
  /** Told what an administrator should know, in one line. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

/**
 * The files of a db2 database. kdb5_util renames its new database over the live one before it has
 * written the last pages of it (krb5 src/plugins/kdb/db2: the rename comes first, the close that
 * flushes last), and ignores it if they cannot be written. Then it has left a live database that
 * nothing can open, and that no later load can replace. So the old database keeps a second name
 * until the new one is known to be whole and on the disk, and takes its place again if it is not.
 */
export class Db2Files implements LoadGuard {
  readonly #live: string;
  readonly #temporary: string;
  readonly #options: Db2FilesOptions;
  readonly #old: OldDatabase;
  readonly #lock: LoadLock;
  readonly #turns = new Turns();
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
    return this.#turns.take(async () => {
      await this.#lock.ifFree(() => this.#recover());
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
    return this.#turns.take(() =>
      this.#protect(dump).catch((cause: unknown) => this.#unprotected(cause)),
    );
  }

  confirm(dump: string): Promise<void> {
    return this.#turns.take(() => this.#confirm(dump));
  }

  recover(): Promise<void> {
    return this.#turns.take(async () => {
      await this.disclaim();
      await this.#lock.ifFree(() => this.#recover());
    });
  }

  /** Lets go of the old database's second name as the death of this process would. */
  disclaim(): Promise<void> {
    return this.#old.disclaim();
  }

  /** @throws what is a KpropError already, such as the end of its time; else loader.unprotected */
  #unprotected(cause: unknown): never {
    if (cause instanceof KpropError) throw cause;
    const detail = { path: this.#live, errno: errnoOf(cause) };
    throw new KpropError('loader.unprotected', detail, { cause });
  }

  async #protect(dump: string): Promise<void> {
    // One that is there already may be another kpropd's that is loading: one is enough for both.
    const shared = (await this.#old.exists()) && !(await this.#old.claim());
    if (!shared) {
      // Or it is of a load that nobody saw the end of.
      const done = await this.#putRight(undefined);
      await this.disclaim();
      if (!done) throw Object.assign(new Error('another program keeps it locked'), busy);
      await this.#old.remove();
      await this.#setAside();
      await this.#old.keep();
    }
    this.#before = await statOf(this.#live);
    // While the loader works this costs no time; confirm needs it, and says what became of it.
    this.#counted = { dump, records: countRecords(dump) };
    this.#counted.records.catch(() => undefined);
  }

  async #confirm(dump: string): Promise<void> {
    const live = await statOf(this.#live);
    const replaced = live !== undefined && !isSameFile(live, this.#before);
    const elsewhere = !replaced && isNothingLost(live, this.#before) && !this.#options.certain;
    if (elsewhere) {
      this.#notice(
        `${this.#live} was not replaced by the load, so what was loaded could not be checked: name the database with -F, or with database_name in kdc.conf`,
      );
      return this.#old.release();
    }
    let fault: string | undefined =
      live === undefined
        ? 'it is not there after the load'
        : 'it is still the one from before the load';
    if (replaced) {
      const looked = await this.#locked('shared', lockMillis, async () => {
        const counted = this.#counted?.dump === dump ? this.#counted.records : undefined;
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

  /** Until this resolves, a power cut may undo what kdb5_util has done; it says what hinders that. */
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
    // What cannot be put right now is looked at again before the next load.
    await withDb2Lock(`${this.#temporary}.ok`, lock, async () => {
      if (await this.#old.exists()) {
        // Another kpropd's load has not ended.
        if (!(await this.#old.claim())) return;
        const done = await this.#putRight(this.#options.dump);
        await this.disclaim();
        if (!done) return;
        await this.#old.remove();
      }
      for (const end of remains) await unlink(this.#temporary + end).catch(() => undefined);
    }).catch(() => undefined);
  }

  /** Puts the old database back if the load that it was kept for went wrong; false if it is locked. */
  async #putRight(dump: string | undefined): Promise<boolean> {
    // Without the principals the policies alone are what a removal left that did not come to its end.
    if (!(await this.#old.exists())) return true;
    if (!(await this.#old.replaced()).includes(true)) return true;
    // Held by a loader to the last of its writing.
    return this.#locked('exclusive', loaderMillis, async () => {
      const replaced = await this.#old.replaced();
      if (!replaced.includes(true) || (!replaced.includes(false) && (await this.#isWhole(dump))))
        return;
      // Somebody may have loaded it by hand: what nothing older can replace stays if it can be used.
      if ((await this.#old.isNothing()) && (await this.#isWhole(undefined))) return;
      await this.#putBack((part) => this.#aside(part));
      this.#notice(
        `a load of ${this.#live} did not come to its end: the database from before it is live again, and what stood there is kept as ${this.#aside('')}. Run kprop on the primary`,
      );
    });
  }

  /** Whether what is live is all that was to be loaded, as far as that is known. */
  async #isWhole(dump: string | undefined): Promise<boolean> {
    const known = dump !== undefined && (await exists(dump)) ? dump : undefined;
    return (await faultOfDatabase(this.#live, known)) === undefined;
  }

  /** `aside` names where what is live goes; without it, it is given up. */
  async #putBack(aside?: (part: string) => string): Promise<void> {
    await this.#old.restore(aside);
    // By this time readers see that it is another one.
    const mark = `${this.#live}.ok`;
    const now = Math.max(Date.now(), ((await statOf(mark))?.mtimeMs ?? 0) + 1_000) / 1000;
    await utimes(mark, now, now).catch(() => undefined);
    await syncFolder(dirname(this.#live)).catch(() => undefined);
  }

  /** What kdb5_util cannot open it will not replace: that gets out of its way. */
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

  /** With the lock that every program takes before it opens the database. */
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

/** Whether what was there before, if anything was, is there still. */
function isNothingLost(live: Stats | undefined, before: Stats | undefined): boolean {
  return before === undefined ? live === undefined : isSameFile(live, before);
}

/** Of a load that did not come to its end, beside the temporary database. */
const remains = ['', '.kadm5', '.kadm5.lock', '.ok'];
const busy = { code: 'EBUSY' };
const loaderMillis = 2_000;
/** What holds the database up for longer is no KDC that writes and no dump. */
const lockMillis = 60_000;

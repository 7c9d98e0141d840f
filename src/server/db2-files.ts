import type { Stats } from 'node:fs';
import {
  constants,
  type FileHandle,
  link,
  open,
  rename,
  stat,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { lockFile, lockFileAsync } from '../host/libc.ts';
import { errnoOf, errnoText } from '../protocol/com-err.ts';
import { KpropError } from '../protocol/errors.ts';
import { faultOfOpening, inspectDb2 } from './db2-soundness.ts';
import { countRecords, type DumpRecords } from './dump-records.ts';
import { syncFile, syncFolder } from './durable.ts';
import { Turns } from './turn.ts';

/** What is done around a load, for the sake of the database that is live. */
export interface LoadGuard {
  /** At the start of a server: puts right what an earlier one left, and says what it cannot. */
  inspect(): Promise<void>;
  /** Before the loader may make its database live. @throws loader.unprotected */
  protect(): Promise<void>;
  /**
   * After the loader's success: resolves when what is live is known to be the whole dump and to
   * survive a power cut. @throws loader.unsound, when the old database is back in its place
   */
  confirm(dump: string): Promise<void>;
  /** It ended in another way, perhaps long ago: the database is put right, and all is cleaned up. */
  recover(): Promise<void>;
}

export const noGuard: LoadGuard = {
  inspect: async () => undefined,
  protect: async () => undefined,
  confirm: async () => undefined,
  recover: async () => undefined,
};

export interface Db2FilesOptions {
  /** Where the dump is that was loaded last, to hold the database against it after a crash. */
  readonly dump?: string | undefined;
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
  readonly #turns = new Turns();
  /** Locked from `protect` to the end of the load, so that another kpropd leaves the names alone. */
  #claim: FileHandle | undefined;
  /** What was live before the load. */
  #before: readonly (Stats | undefined)[] = [];

  constructor(database: string, o: Db2FilesOptions = {}) {
    this.#live = database;
    this.#temporary = `${database}~`;
    this.#options = o;
  }

  inspect(): Promise<void> {
    return this.#turns.take(async () => {
      await this.#recover();
      if (!(await exists(this.#live))) return;
      let fault: string | undefined;
      await this.#lockedForReading(loaderMillis, async () => {
        fault = await this.#faultOf();
      });
      if (fault === undefined) return;
      this.#notice(
        `${this.#live} is no sound database: ${fault}. The next propagation replaces it: run kprop on the primary`,
      );
    });
  }

  protect(): Promise<void> {
    return this.#turns.take(() =>
      this.#protect().catch((cause: unknown) => {
        const detail = { path: this.#live, errno: errnoOf(cause) };
        throw new KpropError('loader.unprotected', detail, { cause });
      }),
    );
  }

  confirm(dump: string): Promise<void> {
    return this.#turns.take(() => this.#confirm(dump));
  }

  recover(): Promise<void> {
    return this.#turns.take(async () => {
      await this.disclaim();
      await this.#recover();
    });
  }

  /** Lets go of the old database's second name as the death of this process would. */
  async disclaim(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    await claim?.close();
  }

  async #protect(): Promise<void> {
    if (await exists(this.#old(''))) {
      // Another kpropd is loading: one old database is enough for both.
      if (!(await this.#claimOld())) return this.#remember();
      // It is of a load that nobody saw the end of.
      await this.#putRight();
      await this.disclaim();
      await this.#removeOld();
    }
    await this.#setAside();
    for (const part of parts) {
      await link(this.#live + part, this.#old(part)).catch(async (error: unknown) => {
        // The first load of all: an empty file stands for no database.
        if (errnoOf(error) === 'ENOENT') await writeFile(this.#old(part), '', { mode: 0o600 });
        // Where a file can have no second name, the new database is checked all the same.
        else if (!noLinks.includes(errnoOf(error))) throw error;
      });
    }
    await syncFolder(dirname(this.#live));
    await this.#claimOld();
    await this.#remember();
  }

  async #remember(): Promise<void> {
    this.#before = await Promise.all(parts.map((part) => statOf(this.#live + part)));
  }

  async #confirm(dump: string): Promise<void> {
    const live = await statOf(this.#live);
    if (live === undefined) {
      this.#notice(
        `${this.#live} is not there after the load, so what was loaded could not be checked: name the database with -F, or with database_name in kdc.conf`,
      );
      return this.#finish();
    }
    let fault: string | undefined = 'it is still the one from before the load';
    if (!isSame(live, this.#before[0])) {
      const waited = await this.#lockedForReading(lockMillis, async () => {
        fault = await this.#faultOf(dump);
      });
      if (!waited) fault = 'another program keeps it locked';
      fault ??= await this.#makeDurable();
    }
    if (fault === undefined) return this.#finish();
    await this.#lockedForWriting(lockMillis, () => this.#putBack());
    await this.disclaim();
    await this.#recover();
    const [before] = this.#before;
    const now = await statOf(this.#live);
    const left = isSame(now, before) ? 'old' : before === undefined && !now ? 'none' : 'broken';
    throw new KpropError('loader.unsound', { path: this.#live, reason: fault, left });
  }

  /** What is wrong with the live database; with what is said of a dump, whether it holds all of that. */
  async #faultOf(dump?: string): Promise<string | undefined> {
    const counted = dump === undefined ? undefined : countRecords(dump);
    // Awaited below, unless something else is found first.
    counted?.catch(() => undefined);
    const held: (number | undefined)[] = [];
    for (const part of parts) {
      const look = await inspectDb2(this.#live + part);
      if (look.fault !== undefined) return `${basename(this.#live + part)}: ${look.fault}`;
      held.push(look.records);
    }
    if (dump === undefined || counted === undefined) return undefined;
    const lacks = (of: DumpRecords) => lackOf(held, of);
    // Of two records of one name the database holds one.
    return lacks(await counted) && lacks(await countRecords(dump, { distinct: true }));
  }

  /** Until this resolves, a power cut may undo what kdb5_util has done; it says what hinders that. */
  async #makeDurable(): Promise<string | undefined> {
    try {
      for (const part of parts) await syncFile(this.#live + part);
      await syncFolder(dirname(this.#live));
      return undefined;
    } catch (error) {
      return `it cannot be written to the disk: ${errnoText(errnoOf(error))}`;
    }
  }

  /** The new database is known to be good. */
  async #finish(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    if (claim === undefined && (await exists(this.#old('')))) await this.#renewOld();
    else await this.#removeOld();
    for (const part of parts) await unlink(this.#aside(part)).catch(() => undefined);
    // A second name that came back with the power would speak of a load without an end.
    await syncFolder(dirname(this.#live)).catch(() => undefined);
    // The kernel frees the old database now, which takes 0.1 s for 300 MB, and nobody waits for it.
    claim?.close().catch(() => undefined);
  }

  /** The other kpropd, whose load is still under way, must not put back what is older than ours. */
  async #renewOld(): Promise<void> {
    for (const part of parts) {
      const fresh = `${this.#old(part)}.new`;
      await unlink(fresh).catch(() => undefined);
      await link(this.#live + part, fresh).catch(() => undefined);
      await rename(fresh, this.#old(part)).catch(() => undefined);
    }
  }

  async #recover(): Promise<void> {
    const traces = [this.#old(''), ...remains.map((end) => this.#temporary + end)];
    if (!(await Promise.all(traces.map(exists))).includes(true)) return;
    // What cannot be put right now is looked at again before the next load.
    await this.#locked(`${this.#temporary}.ok`, 'exclusive', constants.O_CREAT, 0, async () => {
      if (await exists(this.#old(''))) {
        // Another kpropd's load has not ended.
        if (!(await this.#claimOld())) return;
        const done = await this.#putRight();
        await this.disclaim();
        if (!done) return;
        await this.#removeOld();
      }
      for (const end of remains) await unlink(this.#temporary + end).catch(() => undefined);
    }).catch(() => undefined);
  }

  /** Puts the old database back if the load that it was kept for went wrong; false if it is locked. */
  async #putRight(): Promise<boolean> {
    // Held by a loader to the last of its writing.
    return this.#lockedForWriting(loaderMillis, async () => {
      const replaced = await Promise.all(parts.map((part) => this.#isReplaced(part)));
      if (!replaced.includes(true)) return;
      if (!replaced.includes(false)) {
        const { dump } = this.#options;
        const known = dump !== undefined && (await exists(dump)) ? dump : undefined;
        if ((await this.#faultOf(known)) === undefined) return;
      }
      await this.#putBack();
      this.#notice(
        `a load of ${this.#live} ended before its end: the database from before it is live again. Run kprop on the primary`,
      );
    });
  }

  async #isReplaced(part: string): Promise<boolean> {
    const [old, live] = await Promise.all([statOf(this.#old(part)), statOf(this.#live + part)]);
    if (old === undefined) return false;
    return !(old.size === 0 && live === undefined) && !isSame(old, live);
  }

  async #putBack(): Promise<void> {
    for (const part of parts) {
      if (!(await this.#isReplaced(part))) continue;
      const old = await statOf(this.#old(part));
      if (old !== undefined && old.size > 0) await rename(this.#old(part), this.#live + part);
      else await unlink(this.#live + part).catch(() => undefined);
    }
    // By this time readers see that it is another one.
    const mark = `${this.#live}.ok`;
    const now = Math.max(Date.now(), ((await statOf(mark))?.mtimeMs ?? 0) + 1_000) / 1000;
    await utimes(mark, now, now).catch(() => undefined);
    await syncFolder(dirname(this.#live)).catch(() => undefined);
  }

  /** What kdb5_util cannot open it will not replace: that gets out of its way. */
  async #setAside(): Promise<void> {
    const broken = (await exists(this.#live)) ? await faultOfOpening(this.#live) : undefined;
    if (broken === undefined) return;
    await this.#lockedForWriting(loaderMillis, async () => {
      if ((await faultOfOpening(this.#live)) === undefined) return;
      for (const part of parts) {
        await rename(this.#live + part, this.#aside(part)).catch(() => undefined);
      }
      this.#notice(
        `${this.#live} is no sound database: ${broken}. It is kept as ${this.#aside('')} until the next load has succeeded`,
      );
    });
  }

  #lockedForReading(patienceMillis: number, work: () => Promise<void>): Promise<boolean> {
    return this.#locked(`${this.#live}.ok`, 'shared', 0, patienceMillis, work);
  }

  #lockedForWriting(patienceMillis: number, work: () => Promise<void>): Promise<boolean> {
    return this.#locked(`${this.#live}.ok`, 'exclusive', 0, patienceMillis, work);
  }

  /** Does the work with MIT's lock on a file; false if another has it for longer than that. */
  async #locked(
    path: string,
    kind: 'shared' | 'exclusive',
    create: number,
    patienceMillis: number,
    work: () => Promise<void>,
  ): Promise<boolean> {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW | create;
    const file = await open(path, flags, 0o600).catch(() => undefined);
    // Without that file there is no database, either.
    if (file === undefined) return work().then(() => true);
    try {
      const signal = AbortSignal.timeout(patienceMillis);
      const free = await lockFileAsync(file.fd, kind, { signal }).then(
        () => true,
        () => false,
      );
      // Its holder may have removed it meanwhile, as kdb5_util does.
      if (!free || !isSame(await file.stat(), await statOf(path))) return false;
      await work();
      return true;
    } finally {
      await file.close();
    }
  }

  /** False if another kpropd has claimed it, or if there is none. */
  async #claimOld(): Promise<boolean> {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW;
    const file = await open(this.#old(''), flags).catch(() => undefined);
    if (file === undefined) return false;
    if (lockFile(file.fd, 'exclusive', { wait: false })) {
      this.#claim = file;
      return true;
    }
    await file.close();
    return false;
  }

  async #removeOld(): Promise<void> {
    for (const part of parts) await unlink(this.#old(part)).catch(() => undefined);
  }

  #notice(text: string): void {
    this.#options.onNotice?.(text);
  }

  #old(part: string): string {
    return `${this.#live}${part}.before-load`;
  }

  #aside(part: string): string {
    return `${this.#live}${part}.unsound`;
  }
}

/** How a database falls short of its dump; undefined: it holds all of it. */
function lackOf(held: readonly (number | undefined)[], of: DumpRecords): string | undefined {
  for (const [index, what] of (['principals', 'policies'] as const).entries()) {
    const count = held[index];
    if (count !== undefined && count !== of[what])
      return `it has ${count} of the dump's ${of[what]} ${what}`;
  }
  return undefined;
}

function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

/** Of the live database: principals, policies. */
const parts = ['', '.kadm5'];
/** Of a load that did not come to its end, beside the temporary database. */
const remains = ['', '.kadm5', '.kadm5.lock', '.ok'];
/** File systems without second names, and a file that has too many. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
const loaderMillis = 2_000;
/** What holds the database up for longer is no KDC that writes and no dump. */
const lockMillis = 60_000;

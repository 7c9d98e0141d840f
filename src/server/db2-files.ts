import type { Stats } from 'node:fs';
import { constants, link, open, rename, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { lockFileAsync } from '../host/libc.ts';

/** What is done around a load, for the sake of the database that is live. */
export interface LoadGuard {
  /** Before the loader may make its database live. */
  protect(): Promise<void>;
  /** It has done so. */
  release(): Promise<void>;
  /** It ended in another way, perhaps long ago: the database is put right, and all is cleaned up. */
  recover(): Promise<void>;
}

export const noGuard: LoadGuard = {
  protect: async () => undefined,
  release: async () => undefined,
  recover: async () => undefined,
};

/**
 * The files of a db2 database. kdb5_util renames its new database over the live one before it has
 * written the last pages of it (krb5 src/plugins/kdb/db2: the rename comes first, the close that
 * flushes last). Killed in between, it leaves a live database that nothing can open, and that no
 * later load can replace. So for that time the old one keeps a second name, and takes its place
 * again if it came to that.
 */
export class Db2Files implements LoadGuard {
  readonly #live: string;
  readonly #temporary: string;

  constructor(database: string) {
    this.#live = database;
    this.#temporary = `${database}~`;
  }

  async protect(): Promise<void> {
    // One that is there already is of a load that nobody saw the end of: it stays if it is needed.
    if ((await exists(this.#old(''))) && !(await this.#isWhole())) return;
    await this.release();
    for (const part of parts) {
      await link(this.#live + part, this.#old(part)).catch(async (error: NodeJS.ErrnoException) => {
        // The first load of all: an empty file stands for no database.
        if (error.code === 'ENOENT') await writeFile(this.#old(part), '', { mode: 0o600 });
      });
    }
  }

  async release(): Promise<void> {
    for (const part of parts) await unlink(this.#old(part)).catch(() => undefined);
  }

  async recover(): Promise<void> {
    const traces = [this.#old(''), ...remains.map((end) => this.#temporary + end)];
    if (!(await Promise.all(traces.map(exists))).includes(true)) return;
    // What cannot be put right now is looked at again before the next load.
    await this.#locked(`${this.#temporary}.ok`, constants.O_CREAT, 0, async () => {
      if (await exists(this.#old(''))) {
        const mark = `${this.#live}.ok`;
        // Held by a loader to the last of its writing.
        if (!(await this.#locked(mark, 0, loaderMillis, () => this.#putRight()))) return;
        await this.release();
      }
      for (const end of remains) await unlink(this.#temporary + end).catch(() => undefined);
    }).catch(() => undefined);
  }

  async #putRight(): Promise<void> {
    if (isSame(await statOf(this.#live), await statOf(this.#old('')))) return;
    // Principals are renamed before policies are, and written later than they are renamed.
    const half = (await exists(`${this.#temporary}.kadm5`)) && !(await exists(this.#temporary));
    if (!half && (await this.#isWhole())) return;
    for (const part of parts) {
      const old = await statOf(this.#old(part));
      if (old === undefined || isSame(old, await statOf(this.#live + part))) continue;
      if (old.size > 0) await rename(this.#old(part), this.#live + part);
      else await unlink(this.#live + part).catch(() => undefined);
    }
    // By this time readers see that it is another one.
    const mark = `${this.#live}.ok`;
    const now = Math.max(Date.now(), ((await statOf(mark))?.mtimeMs ?? 0) + 1_000) / 1000;
    await utimes(mark, now, now).catch(() => undefined);
  }

  /** Does the work with MIT's lock on a file; false if another has it for longer than that. */
  async #locked(
    path: string,
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
      const free = await lockFileAsync(file.fd, 'exclusive', { signal }).then(
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

  /** Whether its first page is there, which is the last to be written (db2's magic numbers). */
  async #isWhole(): Promise<boolean> {
    const file = await open(this.#live, 'r').catch(() => undefined);
    if (file === undefined) return false;
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      if (bytesRead < 4) return false;
      return magics.includes(buffer.readUInt32LE()) || magics.includes(buffer.readUInt32BE());
    } finally {
      await file.close();
    }
  }

  #old(part: string): string {
    return `${this.#live}${part}.before-load`;
  }
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
/** B-trees, which kdb5_util makes, and hashes, which it may have made once. */
const magics = [0x053162, 0x061561];
const loaderMillis = 2_000;

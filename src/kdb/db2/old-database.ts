import {
  constants,
  type FileHandle,
  link,
  open,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf } from '../../errors/com-err.ts';
import { syncFolder } from '../../host/durable.ts';
import { exists, isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFile } from '../../host/libc.ts';
import { databaseParts } from './contents.ts';

/**
 * The second name that the live database has during a load, `DB.before-load`. Whoever keeps it there
 * holds a lock on it: without that lock it is what a killed kpropd left.
 */
export class OldDatabase {
  readonly #live: string;
  #claim: FileHandle | undefined;

  constructor(database: string) {
    this.#live = database;
  }

  exists(): Promise<boolean> {
    return exists(this.#name(''));
  }

  /** Gives what is live the second name, and makes the disk keep that. @throws errno */
  async keep(): Promise<void> {
    for (const part of databaseParts) {
      await link(this.#live + part, this.#name(part)).catch(async (error: unknown) => {
        // The first load of all: an empty file stands for no database.
        if (errnoOf(error) === 'ENOENT') await writeFile(this.#name(part), '', { mode: 0o600 });
        // Where a file can have no second name, the new database is checked all the same.
        else if (!noLinks.includes(errnoOf(error))) throw error;
      });
    }
    await syncFolder(dirname(this.#live));
    const claimed = await this.claim();
    if (!claimed && (await this.exists())) {
      throw Object.assign(new Error('another program has it'), { code: 'EBUSY' });
    }
  }

  /** False if another kpropd has claimed it, or if there is none. */
  async claim(): Promise<boolean> {
    const flags = constants.O_RDWR | constants.O_NOFOLLOW;
    const file = await open(this.#name(''), flags).catch(() => undefined);
    if (file === undefined) return false;
    if (lockFile(file.fd, 'exclusive', { wait: false })) {
      this.#claim = file;
      return true;
    }
    await file.close();
    return false;
  }

  async disclaim(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    await claim?.close();
  }

  /** Of the two files, which are other ones by now than those that were kept. */
  replaced(): Promise<readonly boolean[]> {
    return Promise.all(databaseParts.map((part) => this.#isReplaced(part)));
  }

  /** Whether there was no database to keep. */
  async isNothing(): Promise<boolean> {
    return (await statOf(this.#name('')))?.size === 0;
  }

  /**
   * Puts back what was kept; where that was nothing, nothing is live. What is live goes where `aside`
   * says, if it says so. The principals come last: while they have their second name, it is known
   * that this has not come to its end. @throws errno
   */
  async restore(aside?: (part: string) => string): Promise<void> {
    for (const part of databaseParts.toReversed()) {
      if (!(await this.#isReplaced(part))) continue;
      if (aside !== undefined) {
        await rename(this.#live + part, aside(part)).catch((error: unknown) => {
          if (errnoOf(error) !== 'ENOENT') throw error;
        });
      }
      const old = await statOf(this.#name(part));
      if (old !== undefined && old.size > 0) await rename(this.#name(part), this.#live + part);
      else await unlink(this.#live + part).catch(() => undefined);
    }
  }

  async remove(): Promise<void> {
    for (const part of databaseParts) await unlink(this.#name(part)).catch(() => undefined);
  }

  /** The new database is good, and is what counts from now on. */
  async release(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    if (claim === undefined && (await this.exists())) await this.#renew();
    else await this.remove();
    // A second name that came back with the power would speak of a load without an end.
    await syncFolder(dirname(this.#live)).catch(() => undefined);
    // The kernel frees the old database now, which takes 0.1 s for 300 MB, and nobody waits for it.
    claim?.close().catch(() => undefined);
  }

  /** Another kpropd, whose load is still under way, must not put back what is older than ours. */
  async #renew(): Promise<void> {
    for (const part of databaseParts) {
      const fresh = `${this.#name(part)}.new`;
      await unlink(fresh).catch(() => undefined);
      await link(this.#live + part, fresh).catch(() => undefined);
      await rename(fresh, this.#name(part)).catch(() => undefined);
    }
  }

  async #isReplaced(part: string): Promise<boolean> {
    const [old, live] = await Promise.all([statOf(this.#name(part)), statOf(this.#live + part)]);
    if (old === undefined) return false;
    return !(old.size === 0 && live === undefined) && !isSameFile(old, live);
  }

  #name(part: string): string {
    return `${this.#live}${part}.before-load`;
  }
}

/** File systems without second names, and a file that has too many. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

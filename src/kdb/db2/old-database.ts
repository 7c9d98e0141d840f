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
 * The second name of the live database during a load, `DB.before-load`. The kpropd that made it holds
 * a lock on it; if nobody does, a killed kpropd has left it behind.
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

  /** Gives the live files their second names, and syncs those to the disk. @throws errno */
  async keep(): Promise<void> {
    for (const part of databaseParts) {
      await link(this.#live + part, this.#name(part)).catch(async (error: unknown) => {
        // Before the very first load: an empty file stands for no database.
        if (errnoOf(error) === 'ENOENT') await writeFile(this.#name(part), '', { mode: 0o600 });
        // Without hard links the old database cannot be kept, but the new one is still checked.
        else if (!noLinks.includes(errnoOf(error))) throw error;
      });
    }
    await syncFolder(dirname(this.#live));
    const claimed = await this.claim();
    if (!claimed && (await this.exists())) {
      throw Object.assign(new Error('another program holds the lock'), { code: 'EBUSY' });
    }
  }

  /** Locks the second name; false if another kpropd holds the lock, or if there is no such file. */
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

  /** For each of the two files, whether the live one is no longer the one that was kept. */
  replaced(): Promise<readonly boolean[]> {
    return Promise.all(databaseParts.map((part) => this.#isReplaced(part)));
  }

  /** Whether there was no database to keep. */
  async isNothing(): Promise<boolean> {
    return (await statOf(this.#name('')))?.size === 0;
  }

  /**
   * Puts back what was kept; if there was no database, the live one is removed. With `aside` the live
   * files are not replaced but moved there. The principals come last: as long as they have their
   * second name, it can be seen that the work is not finished. @throws errno
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

  /** Removes the second names, because the new database is good. */
  async release(): Promise<void> {
    const claim = this.#claim;
    this.#claim = undefined;
    if (claim === undefined && (await this.exists())) await this.#renew();
    else await this.remove();
    // A second name that reappears after a power cut would look like a load that was interrupted.
    await syncFolder(dirname(this.#live)).catch(() => undefined);
    // Here the kernel frees the old database, which takes 0.1 s for 300 MB: it is not waited for.
    claim?.close().catch(() => undefined);
  }

  /** Another kpropd, whose load is under way, must not put back a database older than ours. */
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

/** From file systems without hard links, and for a file that has too many. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];

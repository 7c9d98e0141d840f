import { constants, type FileHandle, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { lockFile, lockFileAsync } from '../../host/libc.ts';

/**
 * One load at a time, whichever kpropd of this host does it: under inetd each connection has a
 * process of its own. The lock is on a file beside the database, and ends with its holder.
 */
export class LoadLock {
  readonly #path: string;
  #file: FileHandle | undefined;
  #held = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Resolves when no other process loads. `onWait` is called, and awaited, if one does.
   * @throws errno, and the signal's reason once aborted
   */
  async enter(o: { readonly signal?: AbortSignal; onWait(): Promise<void> }): Promise<void> {
    const file = await this.#open();
    try {
      if (file !== undefined && !lockFile(file.fd, 'exclusive', { wait: false })) {
        await o.onWait();
        await lockFileAsync(file.fd, 'exclusive', o);
      }
    } catch (error) {
      await file?.close();
      throw error;
    }
    this.#file = file;
    this.#held = true;
  }

  async leave(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#held = false;
    await file?.close();
  }

  /** Does the work inside the lock, ours or one for the purpose; not if another process has it. */
  async ifFree(work: () => Promise<void>): Promise<void> {
    if (this.#held) return work();
    const file = await this.#open();
    try {
      if (file === undefined || lockFile(file.fd, 'exclusive', { wait: false })) await work();
    } finally {
      await file?.close();
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    return await open(this.#path, flags, 0o600).catch((error: unknown) => {
      // Where no file can be made no database can be loaded: the loader will say so.
      if (noPlace.includes(errnoOf(error))) return undefined;
      throw error;
    });
  }
}

const noPlace = ['ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'ENOSPC', 'EDQUOT'];

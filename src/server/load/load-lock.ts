import { constants, type FileHandle, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { lockFile, lockFileAsync } from '../../host/libc.ts';

/**
 * Keeps loads of different kpropd processes apart: under inetd each connection has a process of its
 * own. The lock is on a file beside the database, and the kernel releases it when its holder dies.
 */
export class LoadLock {
  readonly #path: string;
  #file: FileHandle | undefined;
  #held = false;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Resolves when no other process loads. If one does, `onWait` is called and awaited first.
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

  /** Does the work under the lock, taken for it if need be; does nothing if another process holds it. */
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
      // Where no file can be made, no database can be loaded either, and the loader will say so.
      if (noPlace.includes(errnoOf(error))) return undefined;
      throw error;
    });
  }
}

const noPlace = ['ENOENT', 'ENOTDIR', 'EROFS', 'EACCES', 'ENOSPC', 'EDQUOT'];

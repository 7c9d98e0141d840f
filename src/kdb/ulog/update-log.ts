import { constants, type FileHandle, open } from 'node:fs/promises';

import { isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFileAsync } from '../../host/libc.ts';
import type { UpdatePoint } from '../dump/header.ts';
import {
  firstBlockBytes,
  formatDummy,
  formatHeader,
  headerBytes,
  type LogHeader,
  parseHeader,
} from './layout.ts';

/**
 * The update log of a database (DB.ulog), as far as a full load concerns it. Everything is done with
 * plain reads and writes under the file's lock, which MIT's shared mappings see on Linux.
 * @see krb5 src/lib/kdb/kdb_log.c, src/include/kdb_log.h
 */
export class UpdateLog {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #slots: number;

  private constructor(file: FileHandle, path: string, slots: number) {
    this.#file = file;
    this.#path = path;
    this.#slots = slots;
  }

  /**
   * Opens the log, and makes it if it is missing or too short: a program of MIT's that maps a log
   * shorter than this dies (SIGBUS). @param slots iprop_ulogsize @throws errno
   */
  static async open(path: string, slots: number): Promise<UpdateLog> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = await open(path, flags, 0o600);
    try {
      const least = headerBytes + slots * firstBlockBytes;
      if ((await file.stat()).size < least) await file.truncate(least);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new UpdateLog(file, path, slots);
  }

  /** Where the log stands. @throws errno, the signal's reason */
  async last(signal?: AbortSignal): Promise<UpdatePoint> {
    return (await this.header(signal)).last;
  }

  /** @throws errno, the signal's reason */
  header(signal?: AbortSignal): Promise<LogHeader> {
    return this.#locked('shared', signal, async () => {
      const header = new Uint8Array(headerBytes);
      await this.#file.read(header, 0, headerBytes, 0);
      return parseHeader(header);
    });
  }

  /**
   * Forgets all updates and begins anew with serial number 1, of this moment. Who follows this log
   * needs a full resynchronization then. @throws errno, the signal's reason
   */
  async reset(nowMicros: number, signal?: AbortSignal): Promise<void> {
    const seconds = Math.floor(nowMicros / 1_000_000);
    await this.startAt({ serial: 1, seconds, micros: nowMicros % 1_000_000 }, signal);
  }

  /** The same, but with this point as the only one that is known. @throws errno, the signal's reason */
  async startAt(point: UpdatePoint, signal?: AbortSignal): Promise<void> {
    const file = this.#file;
    await this.#locked('exclusive', signal, async () => {
      // The header first says that there is nothing, so that a crash between the two never claims more.
      await file.write(formatHeader(undefined), 0, headerBytes, 0);
      const slot = (point.serial - 1) % this.#slots;
      const slotOffset = headerBytes + slot * firstBlockBytes;
      const dummy = formatDummy(point);
      await file.write(dummy, 0, dummy.length, slotOffset);
      await file.sync();
      await file.write(formatHeader(point), 0, headerBytes, 0);
      await file.sync();
    });
  }

  /** Whether its name still leads to it: somebody may have removed it, and it was made anew. */
  async isInPlace(): Promise<boolean> {
    return isSameFile(await this.#file.stat(), await statOf(this.#path));
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #locked<T>(
    kind: 'shared' | 'exclusive',
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const { fd } = this.#file;
    await lockFileAsync(fd, kind, signal === undefined ? {} : { signal });
    try {
      return await work();
    } finally {
      await lockFileAsync(fd, 'unlock');
    }
  }
}

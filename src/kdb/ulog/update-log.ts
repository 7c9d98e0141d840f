import { constants, type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';

import { lockFileAsync } from '../../host/libc.ts';
import type { UpdatePoint } from '../dump/header.ts';

/**
 * The update log of a database (DB.ulog), as far as a full load concerns it. Everything is done with
 * plain reads and writes under the file's lock, which MIT's shared mappings see on Linux.
 * @see krb5 src/lib/kdb/kdb_log.c, src/include/kdb_log.h
 */
export class UpdateLog {
  readonly #file: FileHandle;
  readonly #slots: number;

  private constructor(file: FileHandle, slots: number) {
    this.#file = file;
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
    return new UpdateLog(file, slots);
  }

  /** Where the log stands. @throws errno, the signal's reason */
  async last(signal?: AbortSignal): Promise<UpdatePoint> {
    return this.#locked('shared', signal, async () => {
      const header = new Uint8Array(headerBytes);
      await this.#file.read(header, 0, headerBytes, 0);
      const view = new DataView(header.buffer);
      return {
        serial: view.getUint32(32, hostOrder),
        seconds: view.getUint32(20, hostOrder),
        micros: view.getUint32(24, hostOrder),
      };
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
      await file.write(formatDummy(point), 0, slotHeaderBytes, slotOffset);
      await file.sync();
      await file.write(formatHeader(point), 0, headerBytes, 0);
      await file.sync();
    });
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

/** The header of a log whose only update is a dummy one; of a log with none if there is no point. */
function formatHeader(point: UpdatePoint | undefined): Uint8Array {
  const header = new Uint8Array(headerBytes);
  const view = new DataView(header.buffer);
  view.setUint32(0, headerMagic, hostOrder);
  view.setUint16(4, 1, hostOrder); // version
  view.setUint16(36, stable, hostOrder);
  view.setUint16(38, firstBlockBytes, hostOrder);
  if (point === undefined) return header;
  view.setUint32(8, 1, hostOrder); // number of entries
  for (const offset of [12, 20]) {
    view.setUint32(offset, point.seconds, hostOrder);
    view.setUint32(offset + 4, point.micros, hostOrder);
  }
  view.setUint32(28, point.serial, hostOrder);
  view.setUint32(32, point.serial, hostOrder);
  return header;
}

function formatDummy(point: UpdatePoint): Uint8Array {
  const slot = new Uint8Array(slotHeaderBytes);
  const view = new DataView(slot.buffer);
  view.setUint32(0, slotMagic, hostOrder);
  view.setUint32(4, point.serial, hostOrder);
  view.setUint32(8, point.seconds, hostOrder);
  view.setUint32(12, point.micros, hostOrder);
  return slot;
}

const headerBytes = 40;
const slotHeaderBytes = 28;
const headerMagic = 0x06662323;
const slotMagic = 0x06661212;
const stable = 1;
/** The size of a slot in a new log. */
const firstBlockBytes = 2048;
// The headers are structures of C; the updates between them are XDR.
const hostOrder = endianness() === 'LE';

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import {
  headerBytes,
  type LogHeader,
  parseHeader,
  parseSlotHeader,
  type SlotHeader,
  slotHeaderBytes,
  slotMagic,
} from './layout.ts';

/** An update as it lies in a log. */
export interface LogEntry extends SlotHeader {
  /** kdb_incr_update_t in XDR; empty for a dummy. */
  readonly data: Uint8Array;
}

/** Reads a log as MIT's kproplog does: without a lock, for a writer must not wait for a reader. */
export class LogFile {
  readonly #fd: number;
  readonly #slots: number;

  /** @param slots iprop_ulogsize, which no log knows of itself @throws errno */
  constructor(path: string, slots: number) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#slots = slots;
  }

  /** The header; undefined if the file is too short for one. */
  header(): LogHeader | undefined {
    if (!fstatSync(this.#fd).isFile()) return undefined;
    const bytes = this.#read(0, headerBytes);
    return bytes.length < headerBytes ? undefined : parseHeader(bytes);
  }

  /**
   * The entry whose number is `index` + 1, if that is in the log; undefined where the file has no
   * update. What stands there may be an older one, if the log was written with another number of slots.
   */
  entry(index: number, { blockBytes }: LogHeader): LogEntry | undefined {
    const offset = headerBytes + (index % this.#slots) * blockBytes;
    const bytes = this.#read(offset, slotHeaderBytes);
    if (bytes.length < slotHeaderBytes) return undefined;
    const slot = parseSlotHeader(bytes);
    if (slot.magic !== slotMagic) return undefined;
    const data = this.#read(offset + slotHeaderBytes, Math.min(slot.bytes, largestEntryBytes));
    return { ...slot, data };
  }

  close(): void {
    closeSync(this.#fd);
  }

  #read(offset: number, byteCount: number): Uint8Array {
    const bytes = new Uint8Array(byteCount);
    let done = 0;
    while (done < byteCount) {
      const read = readSync(this.#fd, bytes, done, byteCount - done, offset + done);
      if (read === 0) break;
      done += read;
    }
    return bytes.subarray(0, done);
  }
}

/** A slot's size has 16 bits. */
const largestEntryBytes = 65_536;

import { closeSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { atomicWriteBytes, type Pipe } from '../../host/pipe.ts';
import { type FeedState, nextPiece } from '../../kdb/dump/safe-cuts.ts';

const windowBytes = 256 * 1024;

/**
 * How long a full pipe is left alone. Waiting for room instead would wake us, and cost the loader,
 * for every few kilobytes that it reads; and no loader empties a pipe so fast.
 */
const pauseMillis = ({ roomBytes }: Pick<Pipe, 'roomBytes'>) => (roomBytes >= 1 << 20 ? 4 : 1);

/**
 * Copies a dump from the file where it is being spooled into the pipe from which a loader reads it,
 * as fast as that reads, and holds up nobody else. Only what the spool says it has is read back.
 * What has been written ends at a safe place at every moment (see safe-cuts.ts), and the end of the
 * input comes after `complete` alone.
 */
export class Feeder {
  readonly #path: string;
  readonly #pipe: Pick<Pipe, 'writeEnd' | 'roomBytes'>;
  #available = 0;
  #total: number | undefined;
  #stopped = false;
  #closed = false;
  #wake: (() => void) | undefined;

  /** It takes the writing end over. */
  constructor(path: string, pipe: Pick<Pipe, 'writeEnd' | 'roomBytes'>) {
    this.#path = path;
    this.#pipe = pipe;
  }

  /** The spool has so many bytes of the dump by now. */
  grow(bytes: number): void {
    this.#available = Math.max(this.#available, bytes);
    this.#wake?.();
  }

  /** All is there, so many bytes, and has been checked: the rest may be fed, and the end. */
  complete(bytes: number): void {
    this.#total = bytes;
    this.grow(bytes);
  }

  /** Feeds no more. The pipe stays open, for its end would be taken for the dump's: see close. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Gives the pipe up. The loader must be dead, or have all that it is to have. */
  close(): void {
    this.stop();
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#pipe.writeEnd);
  }

  /**
   * Feeds until all is fed and the end is given, or until it is stopped. `unfit`: it met what cannot
   * be cut safely, and the end was not given. @throws what the file's reading throws
   */
  async run(): Promise<'ended' | 'stopped' | 'unfit'> {
    const file = await open(this.#path, 'r');
    try {
      return await this.#feed(file);
    } finally {
      await file.close();
    }
  }

  async #feed(file: FileHandle): Promise<'ended' | 'stopped' | 'unfit'> {
    const buffer = Buffer.allocUnsafe(windowBytes);
    const state: FeedState = { inside: 'nothing' };
    let [start, end, position] = [0, 0, 0];
    while (!this.#stopped) {
      const complete = this.#total !== undefined;
      const last = position === this.#total;
      const full = end - start > atomicWriteBytes;
      const piece =
        // All that can still be read comes first: it decides where the cut may be.
        full || last || position === this.#available
          ? nextPiece(buffer.subarray(start, end), state, {
              limitBytes: atomicWriteBytes,
              complete,
              last,
            })
          : 'more';
      if (piece === 'unfit') return 'unfit';
      if (piece !== 'more') {
        while (!this.#write(buffer, start, piece)) {
          await sleep(pauseMillis(this.#pipe));
          // The descriptor may be closed by now, and be another's.
          if (this.#stopped) return 'stopped';
        }
        start += piece;
        if (!last || start < end) continue;
        this.close();
        return 'ended';
      }
      if (last || (complete && end - start === buffer.length)) return 'unfit';
      // Nothing was awaited since it was looked at: no news can have been missed.
      if (position === this.#available || end - start === buffer.length) {
        await this.#progress();
        continue;
      }
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
      const room = Math.min(buffer.length - end, this.#available - position);
      const { bytesRead } = await file.read(buffer, end, room, position);
      if (bytesRead === 0) return 'unfit';
      end += bytesRead;
      position += bytesRead;
    }
    return 'stopped';
  }

  /** Whole or not at all, for it is no longer than atomicWriteBytes; false: there is no room. */
  #write(buffer: Uint8Array, at: number, byteCount: number): boolean {
    try {
      writeSync(this.#pipe.writeEnd, buffer, at, byteCount);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EAGAIN') return false;
      // A loader that reads no more says by its end why; that nobody reads is no news.
      if (errnoOf(error) !== 'EPIPE') throw error;
      this.stop();
      return true;
    }
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

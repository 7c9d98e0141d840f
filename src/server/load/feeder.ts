import { closeSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { atomicWriteBytes, type Pipe } from '../../host/pipe.ts';
import { type FeedState, nextPiece } from '../../kdb/dump/safe-cuts.ts';

const windowBytes = 256 * 1024;

/**
 * How long to wait before writing into a full pipe again. Polling for room would wake this process,
 * and slow the loader down, for every few kilobytes; and no loader empties a pipe in this time.
 */
const pauseMillis = ({ roomBytes }: Pick<Pipe, 'roomBytes'>) => (roomBytes >= 1 << 20 ? 4 : 1);

/**
 * Copies a dump from its spool file into the pipe from which a loader reads, as fast as the loader
 * takes it. It reads back only what the spool has reported as written. At every moment, what is in the
 * pipe ends at a safe place (see safe-cuts.ts), and the input ends only after `complete`.
 */
export class Feeder {
  readonly #path: string;
  readonly #pipe: Pick<Pipe, 'writeEnd' | 'roomBytes'>;
  #available = 0;
  #total: number | undefined;
  #stopped = false;
  #closed = false;
  #wake: (() => void) | undefined;

  /** Takes over the writing end of the pipe. */
  constructor(path: string, pipe: Pick<Pipe, 'writeEnd' | 'roomBytes'>) {
    this.#path = path;
    this.#pipe = pipe;
  }

  /** This many bytes of the dump can be read back from the spool. */
  grow(bytes: number): void {
    this.#available = Math.max(this.#available, bytes);
    this.#wake?.();
  }

  /** The dump has this many bytes, all are there and checked: the rest and the end may be fed. */
  complete(bytes: number): void {
    this.#total = bytes;
    this.grow(bytes);
  }

  /** Stops feeding. The pipe stays open, since its end would be taken for the end of the dump. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Closes the pipe. The loader must be dead, or have the whole dump. */
  close(): void {
    this.stop();
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#pipe.writeEnd);
  }

  /**
   * Feeds until the loader has the whole dump and its end, or until stopped. `unfit`: the dump has a
   * place that cannot be cut safely, and was not fed to its end. @throws errno of reading the file
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
        // Read as much as there is before choosing a cut: what follows decides where it may be.
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
          // By now the descriptor may be closed, and its number may belong to something else.
          if (this.#stopped) return 'stopped';
        }
        start += piece;
        if (!last || start < end) continue;
        this.close();
        return 'ended';
      }
      if (last || (complete && end - start === buffer.length)) return 'unfit';
      // Nothing has been awaited since the check, so no call of grow can have been missed.
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

  /** Writes all or nothing, as the kernel does up to atomicWriteBytes. False: the pipe is full. */
  #write(buffer: Uint8Array, at: number, byteCount: number): boolean {
    try {
      writeSync(this.#pipe.writeEnd, buffer, at, byteCount);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EAGAIN') return false;
      // The loader no longer reads. Why, its exit status and messages will say.
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

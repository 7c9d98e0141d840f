import { KpropError } from '../errors/kprop-error.ts';
import { type DumpFile, openDumpFile } from './dump-file.ts';
import type { DumpStream } from './propagate.ts';

/**
 * A dump that many propagations send at the same time: the `dump` of each of them. It is opened and
 * locked once, and those that keep pace with each other share what is read; a slow one reads for
 * itself, and holds up nobody.
 */
export interface SharedDump extends DumpStream {
  readonly path: string;
  /** What an administrator should know of it, though it can be sent. */
  readonly warning: string | undefined;
  /** Lets no other begin to read, and closes the file, with its lock, when the last has ended. */
  close(): Promise<void>;
}

/** So many pieces that somebody has read, half a megabyte each, wait for others who want them, too. */
const keptPieces = 16;

/**
 * Opens a dump of kdb5_util for many propagations; it stays locked (shared) until `close`.
 * @throws as propagate does for a path: dump.missing, dump.locked, dump.not-ready, dump.read
 */
export async function openSharedDump(path: string): Promise<SharedDump> {
  return new OpenSharedDump(await openDumpFile(path));
}

class OpenSharedDump implements SharedDump {
  readonly path: string;
  readonly bytes: number;
  readonly warning: string | undefined;
  readonly stream: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => this.#read() };
  readonly #file: DumpFile;
  /** By position, the one that was asked for last at the end. */
  readonly #pieces = new Map<number, Promise<Uint8Array>>();
  #front = 0;
  #readers = 0;
  #closing: Promise<void> | undefined;
  #lastHasEnded: (() => void) | undefined;

  constructor(file: DumpFile) {
    this.#file = file;
    this.path = file.path;
    this.bytes = file.bytes;
    this.warning = file.warning;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      if (this.#readers === 0) resolve();
      else this.#lastHasEnded = resolve;
    }).then(() => {
      this.#pieces.clear();
      return this.#file.close();
    });
    return this.#closing;
  }

  /** The dump from its start, for one of those that send it. */
  async *#read(): AsyncGenerator<Uint8Array> {
    if (this.#closing !== undefined) {
      throw new KpropError('dump.read', { path: this.path, errno: 'EBADF' });
    }
    this.#readers += 1;
    try {
      for (let position = 0; ; ) {
        const piece = await this.#piece(position);
        if (piece.length === 0) return;
        position += piece.length;
        // Who is in front reads ahead for all. What is read ahead is not held by a reader: else
        // each slow one would keep a second piece in memory.
        if (position > this.#front) {
          this.#front = position;
          this.#piece(position).catch(() => undefined);
        }
        yield piece;
      }
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) this.#lastHasEnded?.();
    }
  }

  /** A piece that somebody read a moment ago, or a new one. Nobody writes into a piece again. */
  async #piece(position: number): Promise<Uint8Array> {
    const known = this.#pieces.get(position);
    const piece = known ?? this.#file.piece(position);
    this.#pieces.delete(position);
    this.#pieces.set(position, piece);
    for (const [oldest] of this.#pieces) {
      if (this.#pieces.size <= keptPieces) break;
      this.#pieces.delete(oldest);
    }
    try {
      return await piece;
    } catch (error) {
      if (this.#pieces.get(position) === piece) this.#pieces.delete(position);
      // An error takes the place where it happened with it: each propagation needs one of its own.
      if (known === undefined) throw error;
      return await this.#file.piece(position);
    }
  }
}

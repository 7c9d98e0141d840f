import { KpropError } from '../errors/kprop-error.ts';
import { type DumpFile, openDumpFile } from './dump-file.ts';
import type { DumpStream } from './propagate.ts';

/**
 * A dump that many propagations send at the same time: give it to each as its `dump`. It is opened and
 * locked once. Propagations at about the same place share what is read; one that has fallen behind
 * reads for itself, and does not delay the others.
 */
export interface SharedDump extends DumpStream, AsyncDisposable {
  readonly path: string;
  /** Something about the dump that an administrator should know, though it can be sent. */
  readonly warning: DumpFile['warning'];
  /** From now on no propagation can start; once the last has ended, closes the file and its lock. */
  close(): Promise<void>;
}

/** The number of pieces, half a megabyte each, that are kept for other propagations. */
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
  readonly warning: DumpFile['warning'];
  readonly stream: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => this.#read() };
  readonly #file: DumpFile;
  /** By position; the least recently used piece comes first. */
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The dump from its start, for one propagation. */
  async *#read(): AsyncGenerator<Uint8Array> {
    if (this.#closing !== undefined) {
      throw new KpropError('caller.closed', { path: this.path });
    }
    this.#readers += 1;
    try {
      for (let position = 0; ; ) {
        const piece = await this.#piece(position);
        if (piece.length === 0) return;
        position += piece.length;
        // The foremost propagation reads ahead for all. Only the map holds what is read ahead: if
        // each propagation did, every slow one would keep a second piece in memory.
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

  /** A piece that another propagation has just read, or a new one. A piece is never changed. */
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
      // An error names the step of the propagation that failed: so each needs an error of its own.
      if (known === undefined) throw error;
      return await this.#file.piece(position);
    }
  }
}

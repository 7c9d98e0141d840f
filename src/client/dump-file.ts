import { type FileHandle, open, stat } from 'node:fs/promises';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { lockFile } from '../host/libc.ts';
import { blockBytes, blocksAtOnce, type Dump } from '../protocol/kprop/dump.ts';

/** An open, locked dump. Each call of `pieces()` reads it from the start, on its own. */
export interface DumpFile extends Dump {
  readonly path: string;
  /** What an administrator should know of it, though it can be sent. */
  readonly warning: string | undefined;
  /** What stands there, half a megabyte at most, in memory of its own; nothing at the end. @throws dump.read */
  piece(position: number): Promise<Uint8Array>;
  /** Closes the file, which drops its lock. */
  close(): Promise<void>;
}

/** What one propagation reads at once: what it seals and writes at once. */
const readBytes = blocksAtOnce * blockBytes;
/** What many share: less, for each of them holds several such buffers. */
const pieceBytes = 1 << 19;

/**
 * Opens a dump of kdb5_util: locks it (shared, without waiting) as kprop does, and refuses one that
 * is newer than its `.dump_ok`, compared in whole seconds. @see krb5 src/kprop/kprop.c, open_database
 * @throws dump.missing, dump.locked, dump.not-ready
 */
export async function openDumpFile(path: string): Promise<DumpFile> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw missing(path, cause, `while trying to open ${path}`);
  });
  try {
    if (!lockFile(file.fd, 'shared', { wait: false })) {
      throw new KpropError('dump.locked', { path }).during('dump', 'database locked');
    }
    const status = await file.stat();
    const okPath = `${path}.dump_ok`;
    const okStatus = await stat(okPath).catch((cause: unknown) => {
      throw missing(okPath, cause, `while trying to stat ${okPath}`);
    });
    if (wholeSeconds(status.mtimeMs) > wholeSeconds(okStatus.mtimeMs)) {
      throw new KpropError('dump.not-ready', { path, okPath });
    }
    if (status.isDirectory()) {
      const error = new KpropError('dump.read', { path, errno: 'EISDIR' });
      throw error.during('dump', `while trying to open ${path}`);
    }
    const unfinished = okStatus.size === 0 && !(await isBeingWritten(okPath));
    return {
      path,
      warning: unfinished ? warningOf(path, okPath, status.mtime) : undefined,
      bytes: status.size,
      pieces: () => readPieces(file, path),
      piece: (position) => readPiece(file, path, { position, byteCount: pieceBytes }),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * kdb5_util empties `.dump_ok` under a lock when it starts, and writes one byte into it when all is
 * done: while it works the dump from before is good to send, but if it died nobody was told.
 * @see krb5 src/kadmin/dbutil/dump.c, prep_ok_file
 */
async function isBeingWritten(okPath: string): Promise<boolean> {
  const file = await open(okPath, 'r').catch(() => undefined);
  if (file === undefined) return false;
  try {
    return !lockFile(file.fd, 'shared', { wait: false });
  } finally {
    await file.close();
  }
}

function warningOf(path: string, okPath: string, dumped: Date): string {
  return `${okPath} is empty, as a kdb5_util dump that failed leaves it: what is sent is the dump of ${dumped.toISOString()}, without later changes; look at the exit status of kdb5_util dump ${path}`;
}

async function* readPieces(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  let position = 0;
  // One piece is read ahead, while the one before is sealed and sent.
  let ahead = readPiece(file, path, { position, byteCount: readBytes });
  for (;;) {
    const piece = await ahead;
    if (piece.length === 0) return;
    position += piece.length;
    ahead = readPiece(file, path, { position, byteCount: readBytes });
    // Its failure is met when its turn comes; a reader that leaves before never asks.
    ahead.catch(() => undefined);
    yield piece;
  }
}

async function readPiece(
  file: FileHandle,
  path: string,
  { position, byteCount }: { readonly position: number; readonly byteCount: number },
): Promise<Uint8Array> {
  // A new buffer each time: blocks cut from the last one may still be on their way to the socket.
  const buffer = Buffer.allocUnsafeSlow(byteCount);
  const { bytesRead } = await file.read(buffer, 0, byteCount, position).catch((cause: unknown) => {
    throw new KpropError('dump.read', { path, errno: errnoOf(cause) }, { cause });
  });
  return buffer.subarray(0, bytesRead);
}

function missing(path: string, cause: unknown, doing: string): KpropError {
  return new KpropError('dump.missing', { path, errno: errnoOf(cause) }, { cause }).during(
    'dump',
    doing,
  );
}

function wholeSeconds(millis: number): number {
  return Math.floor(millis / 1000);
}

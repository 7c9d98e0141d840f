import { type FileHandle, open, stat } from 'node:fs/promises';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { lockFile } from '../host/libc.ts';
import { blockBytes, blocksAtOnce, type Dump } from '../protocol/kprop/dump.ts';

/** An open, locked dump. Each call of `pieces()` reads it anew from its start. */
export interface DumpFile extends Dump {
  readonly path: string;
  /** Something about the dump that an administrator should know, though it can be sent. */
  readonly warning: { readonly text: string; readonly remedy: string } | undefined;
  /** At most half a megabyte from `position` on, in new memory; none at the end. @throws dump.read */
  piece(position: number): Promise<Uint8Array>;
  /** Closes the file, which drops its lock. */
  close(): Promise<void>;
}

/** One propagation reads as much at once as it seals and writes at once. */
const readBytes = blocksAtOnce * blockBytes;
/** Propagations that share a dump read less at once, since each holds several such buffers. */
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
      piece: (position) => readInto(Buffer.allocUnsafeSlow(pieceBytes), file, { path, position }),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Whether a kdb5_util dump is running: it locks and empties `.dump_ok` when it starts, and writes one
 * byte into it when it is done. An empty file without a lock is left by a dump that failed.
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

function warningOf(path: string, okPath: string, dumped: Date): DumpFile['warning'] {
  return {
    text: `${okPath} is empty, as a kdb5_util dump that failed leaves it: the dump of ${dumped.toISOString()} is sent, without later changes`,
    remedy: `run \`kdb5_util dump ${path}\`, and see why it fails`,
  };
}

/**
 * Each piece is valid until the one after the next is asked for: two buffers take turns, because new
 * memory for each piece would push the old pieces out of the processor's cache.
 */
async function* readPieces(file: FileHandle, path: string): AsyncGenerator<Uint8Array> {
  let position = 0;
  let [buffer, other] = [Buffer.allocUnsafeSlow(readBytes), Buffer.allocUnsafeSlow(readBytes)];
  // While one piece is sealed and sent, the next is read.
  let ahead = readInto(buffer, file, { path, position });
  for (;;) {
    const piece = await ahead;
    if (piece.length === 0) return;
    position += piece.length;
    [buffer, other] = [other, buffer];
    ahead = readInto(buffer, file, { path, position });
    // A failure is thrown when the piece is awaited; a reader that ends earlier never awaits it.
    ahead.catch(() => undefined);
    yield piece;
  }
}

async function readInto(
  buffer: Uint8Array,
  file: FileHandle,
  { path, position }: { readonly path: string; readonly position: number },
): Promise<Uint8Array> {
  const { bytesRead } = await file
    .read(buffer, 0, buffer.length, position)
    .catch((cause: unknown) => {
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

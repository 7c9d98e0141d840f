import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { concat } from '../protocol/bytes.ts';
import { lockFile } from './libc.ts';

const limitBytes = 64 * 1024 * 1024;
const chunkBytes = 64 * 1024;
const lockMillis = 200;
const pauseMillis = 10;

/**
 * The bytes of a file, read under the shared lock that its writers respect.
 * @throws keytab.missing or ccache.missing with the errno; EFBIG above 64 MiB, which no such file
 * ever reaches
 */
export function readLockedFile(
  path: string,
  failure: 'keytab.missing' | 'ccache.missing',
): Uint8Array {
  try {
    return readLocked(path);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === '') throw cause;
    throw new KpropError(failure, { path, errno }, { cause });
  }
}

function readLocked(path: string): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    tryLock(fd);
    const parts: Uint8Array[] = [];
    if (fstatSync(fd).size > limitBytes) throw tooBig(path);
    let total = 0;
    for (;;) {
      const chunk = new Uint8Array(chunkBytes);
      const count = readSync(fd, chunk);
      if (count === 0) return concat(...parts);
      total += count;
      if (total > limitBytes) throw tooBig(path);
      parts.push(chunk.subarray(0, count));
    }
  } finally {
    // This also gives the lock back.
    closeSync(fd);
  }
}

/**
 * Waits only a moment, where MIT waits for ever: waiting blocks this process, and another one that
 * hangs with the lock of the keytab would take the daemon with it. After that the file is read
 * without the lock. MIT writes the length of an entry last, so that an unfinished entry does not
 * count; any other damage is found by the parser.
 */
function tryLock(fd: number): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; !lockFile(fd, 'shared', { wait: false }); waited += pauseMillis) {
    if (waited >= lockMillis) return;
    Atomics.wait(sleeper, 0, 0, pauseMillis);
  }
}

function tooBig(path: string): Error {
  return Object.assign(new Error(`${path} is longer than ${limitBytes} bytes`), { code: 'EFBIG' });
}

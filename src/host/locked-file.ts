import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';
import { concat } from '../protocol/bytes.ts';
import { lockFile } from './libc.ts';

const LIMIT_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const LOCK_MILLIS = 200;
const PAUSE_MILLIS = 10;

/**
 * The bytes of a file that its writers lock, read under a shared lock for which it waits a moment.
 * @throws keytab.missing or ccache.missing with the errno; EFBIG past 64 MiB, which no such file
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
    lockSoon(fd);
    const parts: Uint8Array[] = [];
    if (fstatSync(fd).size > LIMIT_BYTES) throw tooBig(path);
    let total = 0;
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const count = readSync(fd, chunk);
      if (count === 0) return concat(...parts);
      total += count;
      if (total > LIMIT_BYTES) throw tooBig(path);
      parts.push(chunk.subarray(0, count));
    }
  } finally {
    // This gives the lock back, too.
    closeSync(fd);
  }
}

/**
 * Not for ever, as MIT does: nothing else goes on in this process meanwhile, and one that holds the
 * lock of a keytab and hangs would take the whole daemon with it. It is read without the lock then:
 * MIT writes the length of an entry last, so that half of one does not count, and what is torn in
 * another way the parser finds.
 */
function lockSoon(fd: number): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; !lockFile(fd, 'shared', { wait: false }); waited += PAUSE_MILLIS) {
    if (waited >= LOCK_MILLIS) return;
    Atomics.wait(sleeper, 0, 0, PAUSE_MILLIS);
  }
}

function tooBig(path: string): Error {
  return Object.assign(new Error(`${path} is longer than ${LIMIT_BYTES} bytes`), { code: 'EFBIG' });
}

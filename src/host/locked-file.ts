import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { concat } from '../protocol/bytes.ts';
import { errnoOf } from '../protocol/com-err.ts';
import { KpropError } from '../protocol/errors.ts';
import { lockFile } from './libc.ts';

const LIMIT_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * The bytes of a file that its writers lock, read under a shared lock for which it waits.
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
    lockFile(fd, 'shared', { wait: true });
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

function tooBig(path: string): Error {
  return Object.assign(new Error(`${path} is longer than ${LIMIT_BYTES} bytes`), { code: 'EFBIG' });
}

import { getSystemErrorName } from 'node:util';

import { libc } from './libc.ts';

/** The two ends of a pipe(7): descriptors that a child inherits only if it is given them. */
export interface Pipe {
  readonly readEnd: number;
  /** Writing to it never blocks: if there is no room, it fails with EAGAIN. */
  readonly writeEnd: number;
  readonly roomBytes: number;
}

/**
 * A pipe of the kernel: Node's own pipe to a child is a socket, which cannot be opened again as
 * /dev/stdin. It holds `roomBytes` if the system allows that, else 64 KiB.
 * @throws Error whose `code` is the errno name @see pipe(2), F_SETPIPE_SZ in fcntl(2)
 */
export function openPipe(roomBytes: number): Pipe {
  const { koffi, pipe2, fcntl } = libc();
  const ends = new Int32Array(2);
  if (pipe2(ends, O_CLOEXEC) !== 0) {
    const code = getSystemErrorName(-koffi.errno());
    throw Object.assign(new Error(`cannot make a pipe: ${code}`), { code });
  }
  const [readEnd = -1, writeEnd = -1] = ends;
  fcntl(writeEnd, F_SETFL, 'int', O_NONBLOCK);
  // If an unprivileged user has too many of these already, the pipe keeps its size.
  const grantedBytes: number = fcntl(writeEnd, F_SETPIPE_SZ, 'int', roomBytes);
  return { readEnd, writeEnd, roomBytes: grantedBytes > 0 ? grantedBytes : defaultRoomBytes };
}

const defaultRoomBytes = 64 * 1024;

/**
 * A write of at most this many bytes into a pipe happens as a whole or not at all, even if the writer
 * is killed while it writes (pipe(7), PIPE_BUF).
 */
export const atomicWriteBytes = 4096;

// open(2) and fcntl(2), <fcntl.h>
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;

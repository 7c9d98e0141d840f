import { getSystemErrorName } from 'node:util';

import { libc } from './libc.ts';

/** Both ends of a pipe(7), as descriptors that no child inherits unless it is given them. */
export interface Pipe {
  readonly readEnd: number;
  /** Writing to it never waits: where there is no room, it fails with EAGAIN. */
  readonly writeEnd: number;
  readonly roomBytes: number;
}

/**
 * A pipe of the kernel: what Node makes for a child is a socket, which cannot be opened a second
 * time as /dev/stdin. It holds `roomBytes` where the system lets it, else 64 KiB.
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
  // An unprivileged user may have too many of them already: then it stays as it is.
  const room: number = fcntl(writeEnd, F_SETPIPE_SZ, 'int', roomBytes);
  return { readEnd, writeEnd, roomBytes: room > 0 ? room : usualRoomBytes };
}

const usualRoomBytes = 64 * 1024;

/**
 * A write of so many bytes into a pipe happens as a whole or not at all, also if the writer dies
 * meanwhile (pipe(7), PIPE_BUF).
 */
export const atomicWriteBytes = 4096;

// open(2) and fcntl(2), <fcntl.h>
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETFL = 4;
const F_SETPIPE_SZ = 1031;

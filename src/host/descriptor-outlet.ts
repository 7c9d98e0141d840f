import { writeSync } from 'node:fs';

import { errnoOf } from '../errors/com-err.ts';
import { libc } from './libc.ts';
import { type Delivery, Outlet } from './outlet.ts';

/**
 * Writes text to a descriptor, stdout or stderr, and never waits for its reader: Node's own streams
 * write to pipes synchronously, so that a reader that stops would stop this process as well.
 * `lossLine` is written in the place of lost lines.
 */
export function openDescriptorOutlet(fd: number, lossLine: (count: number) => string) {
  const outlet = new Outlet({ send: (text) => writeIfReady(fd, text), lossLine });
  return {
    write(text: string): void {
      for (const piece of text.match(pieces) ?? []) outlet.write(piece);
    },
  };
}

export type DescriptorOutlet = ReturnType<typeof openDescriptorOutlet>;

/** A pipe that is ready for writing takes PIPE_BUF (4096) bytes without blocking. */
const pieces = /[\s\S]{1,1024}/gu; // each at most 4 bytes in UTF-8

function writeIfReady(fd: number, text: string): Delivery {
  if (!isReady(fd)) return 'full';
  try {
    writeSync(fd, text);
    return 'taken';
  } catch (error) {
    return errnoOf(error) === 'EAGAIN' ? 'full' : 'absent';
  }
}

/** Whether a write would not block; it may still fail. */
function isReady(fd: number): boolean {
  // struct pollfd: an int, then two shorts, of which the second is the answer.
  const request = Int32Array.of(fd, POLLOUT);
  try {
    return libc().poll(request, 1, 0) !== 0;
  } catch {
    return true; // without the C library it cannot be known
  }
}

// poll(2), <poll.h>
const POLLOUT = 4;

import { writeSync } from 'node:fs';

import { errnoOf } from '../errors/com-err.ts';
import { libc } from './libc.ts';
import { type Delivery, Outlet } from './outlet.ts';

/**
 * Text for a descriptor, stdout or stderr, whose reader may have stopped, or whose disk may be full:
 * Node's own streams would stop this process with it (they write synchronously to pipes).
 * `lossLine` is what stands in the place of what was lost.
 */
export function openDescriptorOutlet(fd: number, lossLine: (count: number) => string) {
  const outlet = new Outlet({ give: (text) => writeIfReady(fd, text), lossLine });
  return {
    write(text: string): void {
      for (const piece of text.match(pieces) ?? []) outlet.write(piece);
    },
  };
}

export type DescriptorOutlet = ReturnType<typeof openDescriptorOutlet>;

/** A pipe that is ready for writing has room for PIPE_BUF bytes: so many go without waiting. */
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

/** Whether a write would not wait; an error to be told by it counts, too. */
function isReady(fd: number): boolean {
  // struct pollfd: an int, then two shorts, of which the second is the answer.
  const request = Int32Array.of(fd, POLLOUT);
  try {
    return libc().poll(request, 1, 0) !== 0;
  } catch {
    return true; // without the C library nobody can tell
  }
}

// poll(2), <poll.h>
const POLLOUT = 4;

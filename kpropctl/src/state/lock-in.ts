import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { lockFile } from 'kprop';

/**
 * Locks a file of a folder, and makes it if it is not there. The lock is the kernel's: it ends when the
 * descriptor is closed, or its holder ends. @returns the descriptor; undefined if another
 * process holds it for longer than `waitMillis` @throws errno where the file cannot be opened
 */
export async function lockIn(
  folder: string,
  name: string,
  { waitMillis, pauseMillis }: { readonly waitMillis: number; readonly pauseMillis: number },
): Promise<number | undefined> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const fd = openSync(join(folder, name), flags, 0o600);
  const until = performance.now() + waitMillis;
  while (!lockFile(fd, 'exclusive', { wait: false })) {
    if (performance.now() >= until) {
      closeSync(fd);
      return undefined;
    }
    await sleep(pauseMillis);
  }
  return fd;
}

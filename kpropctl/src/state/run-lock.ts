import {
  closeSync,
  constants,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { lockFile } from 'kprop';

/** Who holds the lock. */
export interface Holder {
  readonly pid: number;
  readonly since: string;
}

export type Locked =
  | { readonly kind: 'held'; release(): void }
  | { readonly kind: 'busy'; readonly holder: Holder | undefined };

/**
 * One run at a time on this host. The lock is the kernel's: it ends with its holder. Where the folder
 * cannot be written there is none, and `onTrouble` hears of it. @param waitMillis for another run
 */
export async function lockRuns(
  folder: string,
  waitMillis: number,
  onTrouble: (text: string) => void,
): Promise<Locked> {
  const path = join(folder, 'lock');
  let fd: number;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    onTrouble(
      `${path} cannot be opened (${(error as NodeJS.ErrnoException).code}): there is no lock`,
    );
    return { kind: 'held', release: () => undefined };
  }
  const until = performance.now() + waitMillis;
  while (!lockFile(fd, 'exclusive', { wait: false })) {
    if (performance.now() >= until) {
      closeSync(fd);
      return { kind: 'busy', holder: holderIn(path) };
    }
    await sleep(200);
  }
  try {
    ftruncateSync(fd);
    writeSync(fd, `${JSON.stringify({ pid: process.pid, since: new Date().toISOString() })}\n`);
  } catch {
    // A full disk: it is locked all the same, and only who holds it is not told.
  }
  return { kind: 'held', release: () => closeSync(fd) };
}

function holderIn(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

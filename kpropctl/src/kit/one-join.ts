import { closeSync, fstatSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { lockIn } from '../state/lock-in.ts';
import { refused } from './refused.ts';

const name = '.kpropctl-join';

/**
 * From now on no other join changes the files of the host that has its kdc.conf in this folder. Nothing
 * is left of it. @returns its end, which may be told twice @throws Refused
 */
export async function excludeOtherJoins(folder: string): Promise<() => void> {
  const path = join(folder, name);
  for (;;) {
    let fd: number | undefined;
    try {
      fd = await lockIn(folder, name, { waitMillis: 0, pauseMillis: 0 });
    } catch {
      // There is no such folder, or it cannot be written: the plan says so.
      return () => undefined;
    }
    if (fd === undefined) {
      throw refused('another kpropctl join is at work on this host', 'wait until it has ended');
    }
    const lock = fd;
    // One that ends removes the file: then its lock excludes nobody any more.
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino) {
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        rmSync(path, { force: true });
        closeSync(lock);
      };
    }
    closeSync(lock);
  }
}

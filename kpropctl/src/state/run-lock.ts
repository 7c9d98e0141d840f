import { closeSync, ftruncateSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { lockIn } from './lock-in.ts';

/** Who holds the lock. */
export interface Holder {
  readonly pid: number;
  readonly since: string;
}

export type Locked =
  | { readonly kind: 'held'; release(): void }
  | { readonly kind: 'busy'; readonly holder: Holder | undefined };

/**
 * One run at a time on this host. Where the folder cannot be written there is no lock, and `onTrouble`
 * hears of it. @param waitMillis for another run
 */
export async function lockRuns(
  folder: string,
  waitMillis: number,
  onTrouble: (text: string) => void,
): Promise<Locked> {
  const path = join(folder, 'lock');
  let fd: number | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    fd = await lockIn(folder, 'lock', { waitMillis, pauseMillis: 200 });
  } catch (error) {
    onTrouble(
      `${path} cannot be opened (${(error as NodeJS.ErrnoException).code}): there is no lock`,
    );
    return { kind: 'held', release: () => undefined };
  }
  if (fd === undefined) return { kind: 'busy', holder: holderIn(path) };
  const held = fd;
  try {
    ftruncateSync(held);
    writeSync(held, `${JSON.stringify({ pid: process.pid, since: new Date().toISOString() })}\n`);
  } catch {
    // A full disk: it is locked all the same, and only who holds it is not told.
  }
  return { kind: 'held', release: () => closeSync(held) };
}

function holderIn(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

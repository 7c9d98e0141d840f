import { constants, open, stat, unlink } from 'node:fs/promises';
import { lockFile } from '../host/libc.ts';

/**
 * Removes what a killed `kdb5_util load` leaves beside a db2 database: the temporary one, as large
 * as the dump, with copies of its keys. The next load would remove it as well. A load that is under
 * way holds the lock on `DB~.ok`, and is left alone.
 */
export async function removeRemains(database: string): Promise<void> {
  const mark = `${database}~.ok`;
  const file = await open(mark, constants.O_RDWR | constants.O_NOFOLLOW).catch(() => undefined);
  if (file === undefined) return;
  try {
    if (!lockFile(file.fd, 'exclusive', { wait: false })) return;
    const [ours, there] = await Promise.all([file.stat(), stat(mark)]);
    // Between our open and our lock its holder may have removed it.
    if (ours.ino !== there.ino || ours.dev !== there.dev) return;
    for (const end of ['~', '~.kadm5', '~.kadm5.lock', '~.ok']) {
      await unlink(`${database}${end}`).catch(() => undefined);
    }
  } catch {
    // What cannot be removed is no reason to fail: nothing but room on the disk is at stake.
  } finally {
    await file.close();
  }
}

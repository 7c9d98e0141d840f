import { closeSync, constants, openSync } from 'node:fs';
import { open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFile, lockFileAsync } from '../../host/libc.ts';

/**
 * Whether a kdb5_util load, perhaps one by hand, is under way. Two that wait for each other destroy the
 * database: the first removes its lock by name at its end, the second then holds the lock of a file
 * without a name, and a third makes a new one. So a load by kdb5_util never begins as the second.
 * @see krb5 src/plugins/kdb/db2/kdb_db2.c, ctx_create_db
 */
export function isOtherLoading(database: string): boolean {
  let fd: number;
  try {
    fd = openSync(loadersLock(database), constants.O_RDWR | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  try {
    return !lockFile(fd, 'exclusive', { wait: false });
  } finally {
    closeSync(fd);
  }
}

/** Resolves when no load is under way. @throws the signal's reason, errno */
export async function whenNobodyLoads(database: string, signal?: AbortSignal): Promise<void> {
  const path = loadersLock(database);
  for (;;) {
    const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW).catch(
      (error: unknown) => {
        if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error))) return undefined;
        throw error;
      },
    );
    if (file === undefined) return;
    try {
      await lockFileAsync(file.fd, 'exclusive', signal && { signal });
      // Another load may have begun with a file of its own meanwhile.
      if (isSameFile(await file.stat(), await statOf(path))) return;
    } finally {
      await file.close();
    }
  }
}

/** Held by kdb5_util while it loads. */
function loadersLock(database: string): string {
  return `${database}~.ok`;
}

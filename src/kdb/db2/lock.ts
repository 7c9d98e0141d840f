import { constants, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFileAsync } from '../../host/libc.ts';

export interface Db2Lock {
  readonly kind: 'shared' | 'exclusive';
  /** How long to wait while another program holds the lock. */
  readonly patienceMillis: number;
  /** Whether to create the file if it is missing. */
  readonly create?: boolean;
}

/**
 * Does the work under MIT's lock on a file. False, and nothing is done, if another program kept the
 * lock or replaced the file. @throws errno if the file exists and cannot be opened
 */
export async function withDb2Lock(
  path: string,
  o: Db2Lock,
  work: () => Promise<void>,
): Promise<boolean> {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | (o.create ? constants.O_CREAT : 0);
  const file = await open(path, flags, 0o600).catch((error: unknown) => {
    // Without this file there is no database, either.
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return work().then(() => true);
  try {
    const signal = AbortSignal.timeout(o.patienceMillis);
    const free = await lockFileAsync(file.fd, o.kind, { signal }).then(
      () => true,
      () => false,
    );
    // The holder before us may have removed the file, as kdb5_util does.
    if (!free || !isSameFile(await file.stat(), await statOf(path))) return false;
    await work();
    return true;
  } finally {
    await file.close();
  }
}

import { open } from 'node:fs/promises';

import { errnoOf } from '../errors/com-err.ts';

/** Resolves when the file's content is on the disk. @throws errno */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Resolves when the names in a folder are on the disk, so that renames survive a power cut. A folder
 * that cannot be synced, as on some network file systems, is left to the kernel. @throws errno
 */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch((error: unknown) => {
    // A folder that may be written but not read cannot be synced.
    if (errnoOf(error) === 'EACCES') return undefined;
    throw error;
  });
  try {
    await folder?.sync();
  } catch (error) {
    if (!notSupported.includes(errnoOf(error))) throw error;
  } finally {
    await folder?.close();
  }
}

const notSupported = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

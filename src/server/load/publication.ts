import { constants, type FileHandle, link, open, rename, unlink, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errnoOf } from '../../errors/com-err.ts';
import { syncFolder } from '../../host/durable.ts';
import { isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFileAsync } from '../../host/libc.ts';
import { databaseParts } from '../../kdb/db2/contents.ts';
import { haveSameRecords } from '../../kdb/db2/same-records.ts';
import type { NewFiles } from './new-files.ts';

export interface PublicationOptions {
  readonly signal: AbortSignal;
  /**
   * Done while nobody else can write to the live database, if there is one, and before the new files
   * take its place; if it gives false, they do not.
   */
  readonly whileLocked?: ((live: FileHandle) => Promise<boolean>) | undefined;
}

/**
 * Makes new files, which are whole and on the disk, the live database; resolves when that will survive
 * a power cut. What they replace is kept as DB.previous and DB.kadm5.previous. The locks that every
 * program of MIT's takes before it opens the database are held for this moment only, and in MIT's order.
 * If it fails before the first rename, the live database is as it was. False if `whileLocked` gave that.
 * @throws errno, the signal's reason, what `whileLocked` throws
 */
export async function publish(
  database: string,
  files: NewFiles,
  o: PublicationOptions,
): Promise<boolean> {
  // Held by every load of this database: a kdb5_util load waits for this one, and this one for that.
  const loads = await lockByName(`${database}~.ok`, o.signal);
  try {
    // Open until the end: the kernel frees a large file with its last name and descriptor, which takes
    // 70 ms for 250 MB, and must not happen under the locks.
    const live = await openIfThere(database);
    try {
      if (!(await takePlaceLocked(database, files, { ...o, live }))) return false;
      await syncFolder(dirname(database));
      return true;
    } finally {
      // Not waited for.
      live?.close().catch(() => undefined);
    }
  } finally {
    await loads.close();
  }
}

async function takePlaceLocked(
  database: string,
  files: NewFiles,
  o: PublicationOptions & { readonly live: FileHandle | undefined },
): Promise<boolean> {
  const locks: FileHandle[] = [];
  try {
    locks.push(await lockByName(`${database}.ok`, o.signal));
    locks.push(await lockByName(`${database}.kadm5.lock`, o.signal));
    if (o.live !== undefined && (await o.whileLocked?.(o.live)) === false) return false;
    if (!(await files.areInPlace())) throw Object.assign(new Error('replaced'), gone);
    await keepPrevious(database);
    await takePlace(database, files);
    return true;
  } finally {
    for (const lock of locks.reverse()) await lock.close();
  }
}

/** What was kept by an earlier load may be too much for a small disk. True if there was something. */
export async function dropPrevious(database: string): Promise<boolean> {
  const dropped = databaseParts.map((part) =>
    unlink(database + part + previous).then(
      () => true,
      () => false,
    ),
  );
  return (await Promise.all(dropped)).includes(true);
}

/** The file, locked; made if it is missing. Never the lock of a file that has lost its name. */
async function lockByName(path: string, signal: AbortSignal): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  for (;;) {
    const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      await lockFileAsync(file.fd, 'exclusive', { signal });
      // The umask may have removed even the owner's permission.
      if (((await file.stat()).mode & 0o600) !== 0o600) await file.chmod(0o600);
      // The holder before may have removed it, as kdb5_util does.
      if (isSameFile(await file.stat(), await statOf(path))) return file;
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

/** Gives the live files second names. A file system without hard links keeps none. */
async function keepPrevious(database: string): Promise<void> {
  for (const part of databaseParts) {
    const kept = database + part + previous;
    const fresh = `${kept}.new`;
    await unlink(fresh).catch(() => undefined);
    await link(database + part, fresh)
      .then(() => rename(fresh, kept))
      // Two generations must not stand side by side.
      .catch(() => unlink(kept).catch(() => undefined));
    // A rename does nothing if both names are of one file: policies that have not changed.
    await unlink(fresh).catch(() => undefined);
  }
}

async function takePlace(database: string, files: NewFiles): Promise<void> {
  // Policies first: a crash between the two leaves principals without the newest policies only if a
  // policy was removed. Usually none has changed, and there is one rename.
  const policies = await openIfThere(`${database}.kadm5`);
  try {
    const same = policies !== undefined && haveSameRecords(policies.fd, files.policies.fd);
    if (!same) await rename(`${files.path}.kadm5`, `${database}.kadm5`);
  } finally {
    await policies?.close();
  }
  await rename(files.path, database);
  // Programs of old releases that have the database open see by this time that it was replaced.
  const mark = `${database}.ok`;
  const now = Math.max(Date.now(), ((await statOf(mark))?.mtimeMs ?? 0) + 1_000) / 1000;
  await utimes(mark, now, now);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
}

/** Behind the name of a database that was replaced. */
export const previous = '.previous';
const gone = { code: 'ESTALE' };

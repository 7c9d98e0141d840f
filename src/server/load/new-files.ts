import { randomBytes } from 'node:crypto';
import { constants, type FileHandle, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { isSameFile, statOf } from '../../host/file-identity.ts';
import { lockFile } from '../../host/libc.ts';
import { databaseParts } from '../../kdb/db2/contents.ts';
import { removeUnlocked } from '../spool/temporary-file.ts';

/**
 * The two files of a database that is being written, beside the live ones, under a name that nobody
 * else uses. Locked as long as they are open: so whoever finds them can tell that their load has died.
 */
export class NewFiles {
  /** Of the principals; the policies have `.kadm5` behind it. */
  readonly path: string;
  readonly principals: FileHandle;
  readonly policies: FileHandle;

  private constructor(path: string, principals: FileHandle, policies: FileHandle) {
    this.path = path;
    this.principals = principals;
    this.policies = policies;
  }

  /** @param database the path of the live principals @throws errno */
  static async create(database: string): Promise<NewFiles> {
    await sweepNewFiles(database);
    const path = `${database}${marker}${process.pid}-${randomBytes(6).toString('hex')}`;
    const principals = await createLocked(path);
    try {
      return new NewFiles(path, principals, await createLocked(`${path}.kadm5`));
    } catch (error) {
      await unlink(path).catch(() => undefined);
      await principals.close();
      throw error;
    }
  }

  /** Gives both the owner of the live database, if that may be done: a KDC may run as another user. */
  async takeOwnerOf(database: string): Promise<void> {
    const live = await statOf(database);
    if (live === undefined || process.geteuid?.() !== 0) return;
    for (const file of [this.principals, this.policies]) {
      await file.chown(live.uid, live.gid).catch(() => undefined);
    }
  }

  /** Whether both still stand where they were made. */
  async areInPlace(): Promise<boolean> {
    const files = [this.principals, this.policies];
    const there = databaseParts.map((part, index) =>
      Promise.all([files[index]?.stat(), statOf(this.path + part)]),
    );
    return (await Promise.all(there)).every(([ours, found]) => isSameFile(ours, found));
  }

  /** Keeps them as DB.rejected and DB.kadm5.rejected, for somebody to look at. */
  async setAside(database: string): Promise<void> {
    for (const part of databaseParts) {
      await rename(this.path + part, `${database}${part}.rejected`).catch(() => undefined);
    }
  }

  /** Removes what has not become live or been set aside. */
  async close(): Promise<void> {
    for (const part of databaseParts) await unlink(this.path + part).catch(() => undefined);
    // The kernel frees a large file in the close.
    for (const file of [this.principals, this.policies]) file.close().catch(() => undefined);
  }
}

/** Removes the files of loads that died. */
export async function sweepNewFiles(database: string): Promise<void> {
  const folder = dirname(database);
  const start = basename(database) + marker;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(start)) continue;
    const path = join(folder, name);
    // What kdb5_util needs beside a database has no lock of ours: it goes with its database.
    const extra = /\.(ok|kadm5\.lock)$/.exec(name);
    if (extra === null) await removeUnlocked(path).catch(() => undefined);
    else if ((await statOf(path.slice(0, extra.index))) === undefined) {
      await unlink(path).catch(() => undefined);
    }
  }
}

async function createLocked(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  // Nobody else can have it yet, unless by the sweep of another kpropd: then the name is gone.
  const locked = lockFile(file.fd, 'exclusive', { wait: false });
  if (locked && isSameFile(await file.stat(), await stat(path).catch(() => undefined))) {
    // The umask may have removed even the owner's permission.
    await file.chmod(0o600);
    return file;
  }
  await file.close();
  return createLocked(path);
}

const marker = '.new-';

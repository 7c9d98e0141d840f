import { constants, type FileHandle, open, stat, unlink } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { lockFile } from '../../host/libc.ts';

/** Opens the temporary file, locks it, and only then empties it. @throws spool.busy, spool.planted, spool.write */
export async function openLocked(path: string): Promise<FileHandle> {
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = await open(path, flags, 0o600).catch((cause: unknown) => {
      throw notOpened(path, cause);
    });
    try {
      if (!lockFile(file.fd, 'exclusive', { wait: false })) {
        throw new KpropError('spool.busy', { path }).during(
          'spool',
          `while trying to lock '${path}'`,
        );
      }
      // Between open and lock, the holder before may have renamed the file into place or removed it.
      if (await isStillAt(file, path)) {
        await requireOwn(file, path);
        await file.truncate(0);
        await file.chmod(0o600);
        return file;
      }
    } catch (error) {
      await file.close();
      throw error instanceof KpropError ? error : notOpened(path, error);
    }
    await file.close();
  }
}

/**
 * Refuses a file that somebody else put there. A dump holds every key of the realm, and a file with
 * another owner or with another name could be read by others, now or later.
 */
async function requireOwn(file: FileHandle, path: string): Promise<void> {
  const stats = await file.stat();
  const { nlink, uid } = stats;
  const reason = !stats.isFile()
    ? 'is no regular file'
    : uid !== process.geteuid?.()
      ? 'belongs to another user'
      : nlink !== 1
        ? 'has other names (hard links)'
        : undefined;
  if (reason === undefined) return;
  throw new KpropError('spool.planted', { path, reason }).during(
    'spool',
    `while opening database file, '${path}'`,
  );
}

/** Removes the file if nobody has locked it. @throws errno */
export async function removeUnlocked(path: string): Promise<void> {
  // Not to wait for the other end of what may be a pipe.
  const flags = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags);
  try {
    const free = (await file.stat()).isFile() && lockFile(file.fd, 'exclusive', { wait: false });
    if (free && (await isStillAt(file, path))) await unlink(path);
  } finally {
    await file.close();
  }
}

function notOpened(path: string, cause: unknown): KpropError {
  const doing = `while opening database file, '${path}'`;
  const detail = { path, errno: errnoOf(cause) };
  return new KpropError('spool.write', detail, { cause }).during('spool', doing);
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const [ours, there] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return ours.ino === there?.ino && ours.dev === there.dev;
}

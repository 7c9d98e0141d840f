import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';

/**
 * Writes a small file to a path where somebody else may have planted one: never through a symbolic
 * or hard link, never into a file of another user than root, and without waiting for the reader of a
 * fifo. A device such as /dev/null is written to.
 * @throws Error whose `code` is the errno name
 */
export function writeOwnFile(path: string, text: string, mode: number): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode);
  try {
    const stats = fstatSync(fd);
    const ours = stats.uid === process.geteuid?.() || stats.uid === 0;
    if (stats.isFile()) {
      if (stats.nlink !== 1 || !ours) {
        throw Object.assign(new Error(`${path} was planted by others`), { code: 'EPERM' });
      }
      ftruncateSync(fd);
    }
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/**
 * Replaces a file as a whole, for its owner alone: whoever reads it finds the old text or the new one,
 * after a power cut, too. @throws errno
 */
export async function replaceOwnFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await unlink(fresh).catch(() => undefined);
  const file = await open(fresh, 'wx', 0o600);
  try {
    // The umask may have removed even the owner's permission.
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}

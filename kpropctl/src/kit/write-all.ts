import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

import { refused } from './refused.ts';

export interface FileToWrite {
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Only mode or owner change: what is there is not kept under another name. */
  readonly sameContent: boolean;
}

/** Where a file that was replaced is kept. */
export interface Written {
  readonly path: string;
  readonly backup: string | undefined;
}

/** A file that is being renamed into its place. */
interface Change extends Written {
  readonly file: FileToWrite;
  renamed: boolean;
}

/**
 * Writes all files or none. Each is written whole under another name and synced; only when all are on
 * the disk are they renamed, and if a rename fails, those before it are taken back. A process that is
 * killed among the renames leaves whole files, and the next join finishes.
 * @throws Refused
 */
export async function writeAll(
  files: readonly FileToWrite[],
  signal: AbortSignal,
): Promise<readonly Written[]> {
  for (const { path } of files) rmSync(temporaryOf(path), { force: true });
  try {
    for (const file of files) await writeTemporary(file, signal);
    // From here on nothing waits: a signal comes before all renames, or after them.
    return renameAll(files);
  } catch (error) {
    for (const { path } of files) rmSync(temporaryOf(path), { force: true });
    throw error;
  }
}

/** What a process that was killed left behind is found by its name. */
function temporaryOf(path: string): string {
  return `${path}.join-new`;
}

async function writeTemporary(file: FileToWrite, signal: AbortSignal): Promise<void> {
  const { path, content, mode, owner } = file;
  try {
    signal.throwIfAborted();
    const handle = await open(temporaryOf(path), 'wx', 0o600);
    try {
      await handle.writeFile(content);
      const { uid, gid } = await handle.stat();
      if (uid !== owner.uid || gid !== owner.gid) await handle.chown(owner.uid, owner.gid);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    signal.throwIfAborted();
  } catch (error) {
    throw nothingWritten(path, error);
  }
}

function renameAll(files: readonly FileToWrite[]): readonly Written[] {
  const done: Change[] = [];
  let at = '';
  try {
    for (const file of files) {
      const { path } = file;
      at = path;
      const backup = existsSync(path) ? freeName(`${path}.before-join`) : undefined;
      // A second name, not a rename: there is no moment without the file.
      if (backup !== undefined) linkSync(path, backup);
      const change: Change = { file, path, backup, renamed: false };
      done.push(change);
      renameSync(temporaryOf(path), path);
      change.renamed = true;
    }
    for (const folder of foldersOf(files)) syncFolder(folder);
    return done.map(({ file: { sameContent, mode }, path, backup }) => {
      if (backup === undefined) return { path, backup };
      // What was open to others is not so under its other name.
      if (!sameContent) chmodSync(backup, statSync(backup).mode & mode);
      else rmSync(backup);
      return { path, backup: sameContent ? undefined : backup };
    });
  } catch (error) {
    takeBack(done, error);
    throw nothingWritten(at, error);
  }
}

/** @throws Refused naming what could not be taken back */
function takeBack(done: readonly Change[], cause: unknown): void {
  const stuck: string[] = [];
  for (const { path, backup, renamed } of [...done].reverse()) {
    try {
      if (renamed && backup !== undefined) renameSync(backup, path);
      else if (renamed) rmSync(path, { force: true });
      else if (backup !== undefined) rmSync(backup, { force: true });
    } catch {
      stuck.push(backup === undefined ? `rm ${path}` : `mv ${backup} ${path}`);
    }
  }
  if (stuck.length === 0) return;
  throw refused(
    `files could be neither written nor all put back (${codeOf(cause)})`,
    stuck.join('; '),
    cause,
  );
}

function freeName(path: string): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? path : `${path}.${count}`;
    if (!existsSync(name)) return name;
  }
}

function foldersOf(files: readonly FileToWrite[]): readonly string[] {
  return [...new Set(files.map(({ path }) => dirname(path)))];
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function nothingWritten(path: string, error: unknown): Error {
  const code = codeOf(error);
  if (code === '') {
    const { message } = error as Error;
    return refused(`${message}: nothing was written`, 'start join again', error);
  }
  const remedy =
    code === 'EACCES' || code === 'EPERM'
      ? 'run kpropctl join as root'
      : code === 'ENOSPC' || code === 'EDQUOT'
        ? `make room in ${dirname(path)}, and start join again`
        : `look at ${dirname(path)}, and start join again`;
  return refused(`${path} cannot be written (${code}): nothing was changed`, remedy, error);
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : '';
}

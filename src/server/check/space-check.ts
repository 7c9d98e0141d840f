import { statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { databaseParts } from '../../kdb/db2/contents.ts';
import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok } from './finding.ts';
import { shellWord } from './shell-word.ts';

/** Free space for two dumps and a new database beside the live one. */
export async function spaceChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { database, options } = site;
  const live = database === undefined ? 0 : sumOf(databaseParts.map((part) => database + part));
  // Before the first dump, the database tells how large that will be.
  const dump = sumOf([options.file]) || live;
  const needs: Need[] = [{ folder: dirname(options.file), bytes: 2 * dump }];
  if (database !== undefined) needs.push({ folder: dirname(database), bytes: live });
  return Promise.all((await byFileSystem(needs)).map(judged));
}

interface Need {
  readonly folder: string;
  readonly bytes: number;
}

/** Needs in one file system are added up. */
async function byFileSystem(needs: readonly Need[]): Promise<readonly Need[]> {
  const all = new Map<number, Need>();
  for (const { folder, bytes } of needs) {
    // A folder that is not there is found by another check.
    const device = (await stat(folder).catch(() => undefined))?.dev;
    if (device === undefined) continue;
    const before = all.get(device);
    all.set(device, { folder: before?.folder ?? folder, bytes: bytes + (before?.bytes ?? 0) });
  }
  return [...all.values()];
}

async function judged({ folder, bytes }: Need): Promise<CheckFinding> {
  const { bavail, bsize, ffree, files } = await statfs(folder);
  const free = bavail * bsize;
  const room = `${megabytes(free)} free for two dumps and a new database (${megabytes(bytes)})`;
  // Some file systems do not count their inodes.
  const inodes = files === 0 || ffree > 16;
  if (free >= bytes && inodes) return ok('space', `${folder} has ${room}`);
  const what = inodes ? `${folder} has only ${room}` : `${folder} has no inodes left`;
  return failure('space', what, `make room: du -xah ${shellWord(folder)} | sort -h | tail -20`);
}

function sumOf(paths: readonly string[]): number {
  const sizes = paths.map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

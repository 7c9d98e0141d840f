import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Whether both exist and are the same file. */
export function isSameFile(one: Stats | undefined, other: Stats | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/** The file at a path; undefined if there is none, or if it may not be seen. */
export function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

export async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

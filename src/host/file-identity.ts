import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';

/** Whether both are there, and are one file under two names. */
export function isSameFile(one: Stats | undefined, other: Stats | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/** What is at a path; undefined if nothing is, or nothing that can be seen. */
export function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

export async function exists(path: string): Promise<boolean> {
  return (await statOf(path)) !== undefined;
}

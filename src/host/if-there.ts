import { readdirSync, readFileSync } from 'node:fs';

/** The text of a file; empty if it cannot be read: it is not there, or has just ended, or is another user's. */
export function textIfThere(path: string, encoding: 'utf8' | 'latin1' = 'utf8'): string {
  try {
    return readFileSync(path, encoding);
  } catch {
    return '';
  }
}

/** The names in a folder; none if it cannot be read. */
export function namesIfThere(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

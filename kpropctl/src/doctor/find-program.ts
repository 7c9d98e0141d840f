import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a shell of root looks for programs: ENV_SUPATH of login.defs(5). */
export const rootPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The program that a shell with this PATH finds first; undefined if there is none. */
export function findProgram(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

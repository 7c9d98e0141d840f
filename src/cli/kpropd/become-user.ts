import { accessSync, constants } from 'node:fs';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { userByName } from '../../host/users.ts';

/** What kpropd must be able to do with a file or a folder; `access` is printed. */
export interface Need {
  readonly path: string;
  readonly access: 'read' | 'write' | 'execute';
}

/** Node has it since 0.9, but @types/node lacks it. */
interface ProcessWithGroups {
  initgroups(user: string, extraGroup: number): void;
}

/**
 * Gives up root for good: from now on the process runs as this user, with the user's groups.
 * @throws config.user if there is no such user, if only root may do it, or if the user lacks one of
 * the needed rights
 */
export function becomeUser(user: string, needs: readonly Need[]): void {
  const fault = (reason: string, cause?: unknown) =>
    new KpropError('config.user', { user, reason }, { cause }).during(
      'configuration',
      'while changing the user',
    );
  const found = userByName(user);
  if (found === undefined) throw fault('there is no such user');
  try {
    (process as unknown as ProcessWithGroups).initgroups(user, found.gid);
    process.setgid?.(found.gid);
    process.setuid?.(found.uid);
  } catch (cause) {
    throw fault(errnoText(errnoOf(cause)), cause);
  }
  const { R_OK, W_OK, X_OK } = constants;
  const modes = { read: R_OK, write: R_OK | W_OK | X_OK, execute: R_OK | X_OK };
  for (const { path, access } of needs) {
    try {
      accessSync(path, modes[access]);
    } catch (cause) {
      throw fault(`it cannot ${access} ${path}: ${errnoText(errnoOf(cause))}`, cause);
    }
  }
}

import { spawn } from 'node:child_process';

import { dumpDatabase } from '../../client/dump-database.ts';
import { errnoOf } from '../../errors/com-err.ts';
import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import type { DefaultPaths } from '../../host/default-paths.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';

export interface MakeDumpOptions {
  readonly file: string;
  readonly realm: string;
  readonly config: Krb5Config;
  readonly paths: DefaultPaths;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  /** Gets one line for the administrator. */
  readonly onNotice: (text: string) => void;
}

/** Writes a dump of this host's database; by kdb5_util if it can only be done so. @throws dump.*, config.* */
export async function makeDump(o: MakeDumpOptions): Promise<void> {
  const { file, realm, config, paths, signal } = o;
  const database = config.databasePath(realm) ?? paths.database;
  try {
    await dumpDatabase({ file, realm, config, database, signal });
  } catch (error) {
    if (!isKpropError(error, 'dump.not-native')) throw error;
    o.onNotice(`${error.detail.reason}, so kdb5_util dumps it`);
    await runKdb5Util(o);
  }
}

function runKdb5Util(o: MakeDumpOptions): Promise<void> {
  const path = o.paths.kdb5Util;
  return new Promise((resolve, reject) => {
    const child = spawn(path, ['-r', o.realm, 'dump', o.file], {
      env: o.environment,
      stdio: ['ignore', 'inherit', 'inherit'],
      signal: o.signal,
    });
    child.once('error', (cause) => {
      const detail = { path, errno: errnoOf(cause) };
      reject(new KpropError('loader.missing', detail, { cause, phase: 'dump' }));
    });
    child.once('exit', (status) => {
      if (status === 0) resolve();
      else reject(new KpropError('dump.failed', { path, status: status ?? 1 }, { phase: 'dump' }));
    });
  });
}

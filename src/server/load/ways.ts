import { basename } from 'node:path';

import { KpropError } from '../../errors/kprop-error.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import { type ServeOptions, tell } from '../options.ts';
import { FedLoad } from './fed-load.ts';
import { fileLoad } from './file-load.ts';
import { Db2Files } from './live-files.ts';
import { type LoadGuard, noGuard } from './load-guard.ts';
import type { LoadJob, LoadWays } from './load-way.ts';
import { loadDump } from './loader.ts';

/** A smaller dump has arrived completely before the first of it is written. */
const streamedFromBytes = 1 << 20;

/**
 * How this replica loads dumps, and what protects its live database meanwhile.
 * @throws config.load if the options ask for a way that would not be safe
 */
export function waysToLoad(
  options: ServeOptions,
  config: Krb5Config,
  realm: string,
): { readonly ways: LoadWays; readonly guard: LoadGuard } {
  const { loader, load: mode = 'auto' } = options;
  if (typeof loader === 'function') {
    if (mode === 'streamed') throw notStreamed(mode, 'needs a program as the loader, no function');
    const fromFile = (job: LoadJob) => fileLoad(loader, noGuard, job);
    return { ways: { fromFile, whileArriving: () => undefined }, guard: noGuard };
  }
  const isKdb5Util = basename(loader.path) === 'kdb5_util';
  const library = config.dbLibrary(realm);
  // Other back ends know no temporary database: a load that fails deletes the one that is live.
  if (isKdb5Util && library !== 'db2' && mode === 'streamed') {
    throw notStreamed(mode, `is not safe with the database library ${library}`);
  }
  const asDb2 = isKdb5Util && library === 'db2';
  const guard = asDb2 ? guardOf(options, loader, config, realm) : noGuard;
  const loaderOptions = { ...loader, realm };
  const fromFile = (job: LoadJob) =>
    fileLoad((path, run) => loadDump(path, loaderOptions, run), guard, job);
  const fromBytes = mode === 'streamed' ? 0 : streamedFromBytes;
  const streams = mode === 'streamed' || (mode === 'auto' && asDb2);
  const whileArriving: LoadWays['whileArriving'] = (job, { kind, bytes }) =>
    streams && kind === 'plain' && bytes >= fromBytes
      ? new FedLoad({ ...job, loader: loaderOptions, guard, fromFile: fromFile(job) })
      : undefined;
  return { ways: { fromFile, whileArriving }, guard };
}

/** What protects the live database, if it is known which one that is. */
function guardOf(
  options: ServeOptions,
  loader: Exclude<ServeOptions['loader'], (...args: never) => unknown>,
  config: Krb5Config,
  realm: string,
): LoadGuard {
  const onNotice = (text: string) => tell(options, { kind: 'notice', text, connection: 0 });
  const named = loader.database ?? config.databasePath(realm);
  const database = named ?? loader.builtInDatabase;
  if (database !== undefined) {
    const certain = named !== undefined;
    return new Db2Files(database, { dump: options.file, certain, onNotice });
  }
  const inspect = async () =>
    onNotice(
      `the database of ${realm} has no known place, so a load that goes wrong cannot be undone: name it with -F, or with database_name in kdc.conf`,
    );
  return { ...noGuard, inspect };
}

function notStreamed(mode: string, reason: string): KpropError {
  return new KpropError('config.load', { mode, reason }, { phase: 'configuration' });
}

import { basename } from 'node:path';

import { KpropError } from '../../errors/kprop-error.ts';
import { tell } from '../../host/tell.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import type { ServeOptions } from '../options.ts';
import { FedLoad } from './fed-load.ts';
import { fileLoad } from './file-load.ts';
import { functionLoad } from './function-load.ts';
import { Judge } from './judge.ts';
import { Db2Files } from './live-files.ts';
import { type LoadGuard, noGuard } from './load-guard.ts';
import type { LoadJob, LoadWays } from './load-way.ts';
import { loadDump } from './loader.ts';
import { reasonAgainstNative } from './native-conditions.ts';
import { NativeLoad, threadFromBytes } from './native-load.ts';
import { isOtherLoading, whenNobodyLoads } from './other-loads.ts';
import { ReplicaLog } from './replica-log.ts';

/** A smaller dump has arrived completely before the first of it is written. */
const streamedFromBytes = 1 << 20;

/** The database of a replica, and whose it is. */
export interface LoadPlace {
  readonly config: Krb5Config;
  readonly realm: string;
  readonly ambient: Ambient;
}

/** How a replica loads, and what protects its live database meanwhile. */
export interface Loading {
  readonly ways: LoadWays;
  readonly guard: LoadGuard;
  /** One line for the log. */
  readonly described: string | undefined;
}

type LoaderProgram = Exclude<ServeOptions['loader'], (...args: never) => unknown>;

/** @throws config.load if the options ask for a way that would not be safe */
export async function waysToLoad(options: ServeOptions, place: LoadPlace): Promise<Loading> {
  const { loader, load: mode = 'auto' } = options;
  if (typeof loader === 'function') {
    if (mode === 'streamed' || mode === 'native') {
      throw notSafe(mode, 'needs a program as the loader, no function');
    }
    const fromFile = (job: LoadJob) => functionLoad(loader, job);
    const ways = { fromFile, whileArriving: () => undefined };
    return { ways, guard: noGuard, described: undefined };
  }
  const { config, realm } = place;
  const isKdb5Util = basename(loader.path) === 'kdb5_util';
  const library = config.dbLibrary(realm);
  // Other back ends know no temporary database: a load that fails deletes the one that is live.
  if (isKdb5Util && library !== 'db2' && mode === 'streamed') {
    throw notSafe(mode, `is not safe with the database library ${library}`);
  }
  const database = databaseOf(loader, place);
  const asDb2 = library === 'db2' && (isKdb5Util || mode === 'native');
  const guard = asDb2 ? guardOf(options, loader, place) : noGuard;
  const known = asDb2 ? database : undefined;
  const byProgram = waysOfProgram(options, loader, { asDb2, realm, guard, database: known });
  const against =
    isKdb5Util || mode === 'native'
      ? await reasonAgainstNative({ library, database })
      : `the loader is ${loader.path}`;
  if (mode === 'native' && against !== undefined)
    throw notSafe(mode, `is not possible: ${against}`);
  if (database === undefined || against !== undefined || !['auto', 'native'].includes(mode)) {
    const described =
      mode === 'auto' && isKdb5Util ? `loads with kdb5_util: ${against}` : undefined;
    return { ways: byProgram, guard, described };
  }
  const fallback = mode === 'auto' ? byProgram : undefined;
  const ways = waysWithout(options, loader, { ...place, database, guard, fallback });
  return { ways, guard, described: 'loads natively' };
}

function waysOfProgram(
  { load: mode = 'auto' }: ServeOptions,
  loader: LoaderProgram,
  o: {
    readonly asDb2: boolean;
    readonly realm: string;
    readonly guard: LoadGuard;
    /** Of db2, if its place is known. */
    readonly database: string | undefined;
  },
): LoadWays {
  const { guard, database } = o;
  const loaderOptions = { ...loader, realm: o.realm };
  const fromFile = (job: LoadJob) =>
    fileLoad(
      (path, run) => loadDump(path, loaderOptions, run),
      guard,
      job,
      async (signal) => {
        if (database !== undefined) await whenNobodyLoads(database, signal);
      },
    );
  const fromBytes = mode === 'streamed' ? 0 : streamedFromBytes;
  const streams = mode === 'streamed' || (mode !== 'complete' && o.asDb2);
  return {
    fromFile,
    whileArriving: (job, { kind, bytes }) =>
      streams &&
      kind === 'plain' &&
      bytes >= fromBytes &&
      !(database !== undefined && isOtherLoading(database))
        ? new FedLoad({ ...job, loader: loaderOptions, guard, fromFile: fromFile(job) })
        : undefined,
  };
}

interface NativePlace extends LoadPlace {
  readonly database: string;
  readonly guard: LoadGuard;
  /** How kdb5_util loads what cannot be loaded natively; undefined if it may not. */
  readonly fallback: LoadWays | undefined;
}

/** The ways without kdb5_util. */
function waysWithout(options: ServeOptions, loader: LoaderProgram, place: NativePlace): LoadWays {
  const { config, realm, ambient, database, guard, fallback } = place;
  const log = config.ipropEnable(realm)
    ? new ReplicaLog({ ...config.updateLog(realm, loader.builtInDatabase ?? database), ambient })
    : undefined;
  const judge = new Judge({
    mode: options.verify ?? 'first',
    loader: { ...loader, realm },
    state: `${options.file}.state`,
    ambient,
  });
  const of = (job: LoadJob) =>
    new NativeLoad({
      ...job,
      database,
      masterKey: config.masterKeyName(realm),
      judge,
      log,
      fromFile: fallback?.fromFile(job),
      recover: () => guard.recover(),
    });
  return {
    fromFile: of,
    whileArriving: (job, { bytes }) => {
      if (bytes < threadFromBytes) return undefined;
      const load = of(job);
      load.start();
      return load;
    },
  };
}

/** The path of the live database; undefined if it is not known. */
export function databaseOf(
  loader: LoaderProgram,
  { config, realm }: Pick<LoadPlace, 'config' | 'realm'>,
): string | undefined {
  return loader.database ?? config.databasePath(realm) ?? loader.builtInDatabase;
}

/** What protects the live database, if it is known which one that is. */
function guardOf(options: ServeOptions, loader: LoaderProgram, place: LoadPlace): LoadGuard {
  const { config, realm } = place;
  const onNotice = (text: string) => tell(options.onEvent, { kind: 'notice', text, connection: 0 });
  const database = databaseOf(loader, place);
  if (database !== undefined) {
    const certain = (loader.database ?? config.databasePath(realm)) !== undefined;
    return new Db2Files(database, { dump: options.file, certain, onNotice });
  }
  const inspect = async () =>
    onNotice(
      `the database of ${realm} has no known place, so a load that goes wrong cannot be undone: name it with -F, or with database_name in kdc.conf`,
    );
  return { ...noGuard, inspect };
}

function notSafe(mode: string, reason: string): KpropError {
  return new KpropError('config.load', { mode, reason }, { phase: 'configuration' });
}

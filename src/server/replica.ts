import { basename } from 'node:path';

import { inPhase, KpropError } from '../errors/kprop-error.ts';
import { loadKrb5Config } from '../host/config-files.ts';
import { defaultKeytabName, keytabReader } from '../host/keytab-file.ts';
import { requireLibc } from '../host/libc.ts';
import { canonicalNames, localHostName } from '../host/names.ts';
import { systemAmbient } from '../protocol/ambient.ts';
import { parseEnctypeList } from '../protocol/krb5/crypto/enctype-list.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';
import { memoryReplayCache } from '../protocol/krb5/session/replay.ts';
import { Acl } from './acl.ts';
import type { Replica } from './connection.ts';
import { Db2Files } from './load/live-files.ts';
import { type LoadGuard, noGuard } from './load/load-guard.ts';
import { type LoadRun, loadDump } from './load/loader.ts';
import { Loads } from './load/loads.ts';
import { LoadOrder } from './load/order.ts';
import { StreamedLoad } from './load/streamed-load.ts';
import { type ServeOptions, tell } from './options.ts';
import { SpoolRoom } from './spool/spool.ts';

/** All that its connections share, as the options and the configuration say. @throws config.* */
export async function describeReplica(options: ServeOptions): Promise<Replica> {
  // It locks the spool, at the first propagation.
  requireLibc();
  const config = options.config ?? loadKrb5Config({});
  const realm =
    options.realm ??
    (await inPhase('configuration', 'Unable to get default realm', () => config.defaultRealm));
  const names = await canonicalNames(localHostName(), config);
  const loading = loadingOf(options, config, realm);
  const ambient = options.ambient ?? systemAmbient();
  return {
    services: names.map((name) => Principal.of(realm, ['host', name], nameTypes.srvHst)) as [
      Principal,
      ...Principal[],
    ],
    anyHost: config.ignoreAcceptorHostname,
    permittedEnctypes: enctypesOf(options, config),
    clockSkewSeconds: config.clockSkewSeconds,
    replay: options.replay ?? memoryReplayCache(config.clockSkewSeconds),
    ambient,
    keytab: keytabReader(() => options.keytab ?? defaultKeytabName(config)),
    acl: () => Acl.read(options.acl),
    ...loading,
    spools: new SpoolRoom(options.file),
    loads: new Loads(),
    order: new LoadOrder({
      path: `${options.file}.state`,
      ambient,
      clockSkewSeconds: config.clockSkewSeconds,
    }),
    limits: {
      authenticate: 10_000,
      // A sender reads its dump from a disk: one that gives nothing for so long has failed.
      idle: 120_000,
      total: config.ipropResyncTimeoutSeconds(realm) * 1000,
      stall: 5_000,
      ...options.limits,
    },
    maxDumpBytes: options.maxDumpBytes,
  };
}

/** @throws crypto.no-enctypes */
function enctypesOf({ requireEnctype }: ServeOptions, config: Krb5Config): readonly number[] {
  const permitted = config.permittedEnctypes;
  if (requireEnctype === undefined) return permitted;
  const required = parseEnctypeList(requireEnctype, { des3: true, rc4: true });
  const left = permitted.filter((enctype) => required.includes(enctype));
  if (left.length > 0) return left;
  const relation = `the required encryption type ${requireEnctype} (--require-enctype)`;
  throw new KpropError('crypto.no-enctypes', { relation }, { phase: 'configuration' });
}

/** A smaller dump is complete before the first of it has been written. */
const streamedFromBytes = 1 << 20;

/** How dumps are loaded, and what is done for the sake of the database meanwhile. */
function loadingOf(
  options: ServeOptions,
  config: Krb5Config,
  realm: string,
): Pick<Replica, 'load' | 'guard' | 'streaming'> {
  const { loader, load: mode = 'auto' } = options;
  if (typeof loader === 'function') {
    if (mode === 'streamed') throw notStreamed(mode, 'needs a program as the loader, no function');
    return { load: loader, guard: noGuard, streaming: undefined };
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
  const load = async (path: string, run: LoadRun) => {
    await guard.protect(path);
    try {
      await loadDump(path, loaderOptions, run);
    } catch (error) {
      await guard.recover();
      throw error;
    }
    await guard.confirm(path);
  };
  const streams = mode === 'streamed' || (mode === 'auto' && asDb2);
  const fromBytes = mode === 'streamed' ? 0 : streamedFromBytes;
  return {
    load,
    guard,
    streaming: streams
      ? { fromBytes, start: (run) => new StreamedLoad({ ...run, loader: loaderOptions, guard }) }
      : undefined,
  };
}

/** What keeps the database that is live, where it is known which one that is. */
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

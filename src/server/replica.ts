import { basename } from 'node:path';
import { loadKrb5Config } from '../host/config-files.ts';
import { defaultKeytabName, readKeytab } from '../host/keytab-file.ts';
import { requireLibc } from '../host/libc.ts';
import { canonicalNames, localHostName } from '../host/names.ts';
import { systemAmbient } from '../protocol/ambient.ts';
import { inPhase, KpropError } from '../protocol/errors.ts';
import type { Krb5Config } from '../protocol/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/messages/principal.ts';
import { memoryReplayCache } from '../protocol/session/replay.ts';
import { Acl } from './acl.ts';
import type { Replica } from './connection.ts';
import { Db2Files, noGuard } from './db2-files.ts';
import { type LoadRun, loadDump } from './loader.ts';
import { Loads } from './loads.ts';
import type { ServeOptions } from './options.ts';
import { SpoolRoom } from './spool.ts';
import { StreamedLoad } from './streamed-load.ts';

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
  return {
    services: names.map((name) => Principal.of(realm, ['host', name], nameTypes.srvHst)) as [
      Principal,
      ...Principal[],
    ],
    anyHost: config.ignoreAcceptorHostname,
    permittedEnctypes: config.permittedEnctypes,
    clockSkewSeconds: config.clockSkewSeconds,
    replay: options.replay ?? memoryReplayCache(config.clockSkewSeconds),
    ambient: options.ambient ?? systemAmbient(),
    keytab: () => readKeytab(options.keytab ?? defaultKeytabName(config)),
    acl: () => Acl.read(options.acl),
    ...loading,
    spools: new SpoolRoom(options.file),
    loads: new Loads(),
    order: { authenticated: 0, loaded: 0 },
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

/** A smaller dump is complete before the first of it has been written. */
const streamedFromBytes = 1 << 20;

/** How dumps are loaded, and what is done for the sake of the database meanwhile. */
function loadingOf(
  { loader, load: mode = 'auto' }: ServeOptions,
  config: Krb5Config,
  realm: string,
): Pick<Replica, 'load' | 'guard' | 'streaming'> {
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
  const database = loader.database ?? config.databasePath(realm);
  const guard = asDb2 && database !== undefined ? new Db2Files(database) : noGuard;
  const options = { ...loader, realm };
  const load = async (path: string, run: LoadRun) => {
    await guard.protect();
    try {
      await loadDump(path, options, run);
    } catch (error) {
      await guard.recover();
      throw error;
    }
    await guard.release();
  };
  const streams = mode === 'streamed' || (mode === 'auto' && asDb2);
  const fromBytes = mode === 'streamed' ? 0 : streamedFromBytes;
  return {
    load,
    guard,
    streaming: streams
      ? { fromBytes, start: (run) => new StreamedLoad({ ...run, loader: options, guard }) }
      : undefined,
  };
}

function notStreamed(mode: string, reason: string): KpropError {
  return new KpropError('config.load', { mode, reason }, { phase: 'configuration' });
}

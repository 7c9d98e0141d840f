import { basename } from 'node:path';

import { inPhase, KpropError } from '../errors/kprop-error.ts';
import { loadKrb5Config } from '../host/config-files.ts';
import { defaultKeytabName, keytabReader } from '../host/keytab-file.ts';
import { requireLibc } from '../host/libc.ts';
import { tell } from '../host/tell.ts';
import { type Ambient, systemAmbient } from '../protocol/ambient.ts';
import { parseEnctypeList } from '../protocol/krb5/crypto/enctype-list.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import { memoryReplayCache, type ReplayCache } from '../protocol/krb5/session/replay.ts';
import { ownPrincipals } from '../ticket/own-principals.ts';
import { Acl } from './acl.ts';
import { Loads } from './load/loads.ts';
import { MasterKeyCheck } from './load/master-key-check.ts';
import { LoadOrder } from './load/order.ts';
import { waysToLoad } from './load/ways.ts';
import type { ServeLimits, ServeOptions } from './options.ts';
import { SpoolRoom } from './spool/spool.ts';

/** What all connections of one server share. */
export interface Replica {
  readonly realm: string;
  /** Whether the realm was given; else it is the default realm. */
  readonly realmGiven: boolean;
  readonly config: Krb5Config;
  readonly services: readonly [Principal, ...Principal[]];
  readonly anyHost: boolean;
  readonly permittedEnctypes: readonly number[];
  readonly clockSkewSeconds: number;
  readonly replay: ReplayCache;
  readonly ambient: Ambient;
  /** Read anew for every connection, as MIT does, so ktadd or an edit needs no restart. */
  keytab(): Keytab;
  acl(): Acl;
  readonly spools: SpoolRoom;
  readonly loads: Loads;
  readonly limits: ServeLimits;
  /** A dump that is larger is refused before the first byte of it arrives. */
  readonly maxDumpBytes: number | undefined;
}

/** Builds it from the options and the configuration. @throws config.* */
export async function describeReplica(options: ServeOptions): Promise<Replica> {
  // It is needed for locks, at the first propagation; a lack of it is better found now.
  requireLibc();
  const config = options.config ?? loadKrb5Config({});
  const realm =
    options.realm ??
    (await inPhase('configuration', 'Unable to get default realm', () => config.defaultRealm));
  const services = await ownPrincipals('host', realm, config);
  const ambient = options.ambient ?? systemAmbient();
  const loading = await waysToLoad(options, { config, realm, ambient });
  return {
    realm,
    realmGiven: options.realm !== undefined,
    config,
    services,
    anyHost: config.ignoreAcceptorHostname,
    permittedEnctypes: enctypesOf(options, config),
    clockSkewSeconds: config.clockSkewSeconds,
    replay: options.replay ?? memoryReplayCache(config.clockSkewSeconds),
    ambient,
    keytab: keytabReader(() => options.keytab ?? defaultKeytabName(config)),
    acl: () => Acl.read(options.acl),
    spools: new SpoolRoom(options.file),
    loads: new Loads({
      ...loading,
      onNotice: (text) => tell(options.onEvent, { kind: 'notice', text, connection: 0 }),
      masterKey: new MasterKeyCheck({
        stash: config.stashFile(realm, options.builtInStash),
        masterKey: config.masterKeyName(realm),
        needsEntry: isKdb5Util(options),
        any: options.anyMasterKey ?? false,
      }),
      order: new LoadOrder({
        path: `${options.file}.state`,
        ambient,
        clockSkewSeconds: config.clockSkewSeconds,
      }),
    }),
    limits: {
      authenticateMillis: 10_000,
      // A sender reads its dump from a disk. If nothing comes for this long, it has failed.
      idleMillis: 120_000,
      totalMillis: config.ipropResyncTimeoutSeconds(realm) * 1000,
      stallMillis: 5_000,
      ...options.limits,
    },
    maxDumpBytes: options.maxDumpBytes,
  };
}

/** Another loader may make of a dump what it likes. */
function isKdb5Util({ loader, load }: ServeOptions): boolean {
  return (
    load === 'native' || (typeof loader !== 'function' && basename(loader.path) === 'kdb5_util')
  );
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

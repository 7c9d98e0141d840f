import { loadKrb5Config } from '../../host/config-files.ts';
import { keytabPath } from '../../host/exposed-files.ts';
import { defaultKeytabName } from '../../host/keytab-file.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import type { Principal } from '../../protocol/krb5/messages/principal.ts';
import { ownPrincipals } from '../../ticket/own-principals.ts';
import { databaseOf } from '../load/ways.ts';
import type { ServeOptions } from '../options.ts';

export interface CheckReplicaOptions
  extends Pick<
    ServeOptions,
    | 'port'
    | 'descriptor'
    | 'address'
    | 'realm'
    | 'config'
    | 'keytab'
    | 'acl'
    | 'file'
    | 'loader'
    | 'load'
    | 'incremental'
    | 'builtInStash'
    | 'onListening'
  > {
  /** After this, what a check has not found out is `unknown`. 5,000 unless given. */
  readonly limitMillis?: number | undefined;
}

/** A replica as its options and its configuration describe it. */
export interface CheckedSite {
  readonly options: CheckReplicaOptions;
  readonly config: Krb5Config;
  readonly realm: string;
  /** host/<this host>@REALM, in the order in which the keytab is searched for them. */
  readonly services: readonly [Principal, ...Principal[]];
  readonly keytabName: string;
  /** Empty if the name of the keytab is not valid. */
  readonly keytab: string;
  readonly database: string | undefined;
  /** `db2`, `klmdb` or `kldap`. */
  readonly library: string;
  readonly stash: string | undefined;
  /** The primary as the configuration names it, in lower case and without a port. */
  readonly primary: string | undefined;
}

/** @throws config.*, host.no-koffi */
export async function describeSite(options: CheckReplicaOptions): Promise<CheckedSite> {
  const config = options.config ?? loadKrb5Config({});
  const realm = options.realm ?? config.defaultRealm;
  const { loader } = options;
  const database =
    typeof loader === 'function'
      ? config.databasePath(realm)
      : databaseOf(loader, { config, realm });
  const adminServer = options.incremental?.adminServer ?? config.adminServer(realm);
  return {
    options,
    config,
    realm,
    services: await ownPrincipals('host', realm, config),
    keytabName: options.keytab ?? defaultKeytabName(config),
    keytab: keytabPath(options.keytab, config),
    database,
    library: config.dbLibrary(realm),
    stash: config.stashFile(realm, options.builtInStash),
    primary: adminServer && hostOf(adminServer),
  };
}

/** `kdc1.example.org` of `kdc1.example.org:749`. */
function hostOf(server: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(server.trim()) ?? [];
  return (bracketed ?? plain ?? server.trim()).toLowerCase().replace(/\.$/, '');
}

import { dirname, normalize } from 'node:path';

import {
  configFilesOf,
  defaultKeytabName,
  type Krb5Config,
  parseKeytabName,
  readDefaultPaths,
} from 'kprop';

import { badKit } from './refused.ts';

/** The first file of KRB5_CONFIG, or that of this system. */
export function krb5ConfPath(environment: NodeJS.ProcessEnv): string {
  const paths = readDefaultPaths();
  const [first] = configFilesOf(environment, paths).krb5ConfFiles.split(':');
  return first || paths.krb5Conf;
}

/** KRB5_KDC_PROFILE, or that of this system. */
export function kdcConfPath(environment: NodeJS.ProcessEnv): string {
  const paths = readDefaultPaths();
  return configFilesOf(environment, paths).kdcConfFile || paths.kdcConf;
}

/** The ACL that kpropd reads unless told otherwise: beside kdc.conf on every system. */
export function aclPath(environment: NodeJS.ProcessEnv): string {
  return `${dirname(kdcConfPath(environment))}/kpropd.acl`;
}

/** Where the programs of MIT look for the keytab. */
export function keytabPath(krb5: Krb5Config, environment: NodeJS.ProcessEnv): string {
  return parseKeytabName(environment.KRB5_KTNAME ?? defaultKeytabName(krb5)).path;
}

/** Where they look for the stash: `key_stash_file`, or beside kdc.conf. */
export function stashPath(krb5: Krb5Config, realm: string, environment: NodeJS.ProcessEnv): string {
  const named = krb5.last('realms', realm, 'key_stash_file')?.replace(/^(FILE|WRFILE):/, '');
  return named ?? `${dirname(kdcConfPath(environment))}/.k5.${realm}`;
}

/** The files of which one is there when the realm has a database: db2's, or klmdb's. */
export function databasePaths(krb5: Krb5Config, realm: string): readonly string[] {
  const named = krb5.databasePath(realm);
  const bases = named === undefined ? builtIn.map((folder) => `${folder}/principal`) : [named];
  return bases.flatMap((base) => [base, `${base}.mdb`]);
}

/**
 * A path that the configuration of a kit names is used only in a folder where such files belong: a kit
 * must not choose what is overwritten. @throws Refused
 */
export function requireKnownFolder(
  path: string,
  relation: string,
  environment: NodeJS.ProcessEnv,
): void {
  const folders = [dirname(kdcConfPath(environment)), '/etc/krb5kdc', ...builtIn];
  const isKnown = path === '/etc/krb5.keytab' || folders.includes(dirname(path));
  if (isKnown && normalize(path) === path) return;
  throw badKit(
    `the configuration in the kit names ${JSON.stringify(path)} as ${relation}, which is in none of ${folders.join(', ')}`,
    `if that is right, write this configuration here by hand first, and use --keep`,
  );
}

/** Where the releases of Debian, Fedora and MIT have the database. */
const builtIn = ['/var/lib/krb5kdc', '/var/kerberos/krb5kdc', '/usr/local/var/krb5kdc'];

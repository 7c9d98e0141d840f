import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import {
  canonicalNames,
  configFilesOf,
  formatProfile,
  type Krb5Config,
  loadKrb5Config,
  ownPrincipals,
  parseKeytab,
  parseKeytabName,
  readDefaultPaths,
  readProfile,
} from 'kprop';

import type { Settings } from '../config/settings.ts';
import { kadminLocal, lastLine, saysMissing } from '../run/kadmin-local.ts';
import { hostName, type Kit, type KitFileName, kitFiles } from './kit.ts';
import { kdcConfPath, keytabPath, stashPath } from './places.ts';
import { refused } from './refused.ts';

export interface CollectOptions {
  /** The replica, as typed. */
  readonly host: string;
  readonly settings: Settings;
  readonly krb5: Krb5Config;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether the replica's key is changed, so that its old keytab is worth nothing. */
  readonly newKey: boolean;
  readonly withStash: boolean;
}

/** All that the replica needs; its principal is made if it is not there. @throws Refused, keytab.*, config.* */
export async function collectKit(
  o: CollectOptions,
): Promise<{ readonly kit: Kit; readonly principal: string; readonly isNew: boolean }> {
  const { settings, krb5, environment } = o;
  const { realm } = settings;
  const files = new Map<KitFileName, Uint8Array>();
  const host = await replicaName(o);
  const primary = await ownPrincipal(o);
  files.set('krb5.conf', configuration(krb5ConfFilesOf(environment)));
  const kdcConf = kdcConfPath(environment);
  if (existsSync(kdcConf)) files.set('kdc.conf', configuration([kdcConf]));
  files.set('kpropd.acl', new TextEncoder().encode(`${primary}\n`));
  if (o.withStash) files.set('stash', fileOf(stashPath(krb5, realm, environment)));
  // Before a key is changed: a kit that cannot be made changes nothing.
  for (const [name, content] of files) requireSize(name, content);
  const principal = `host/${host}@${realm}`;
  const { keytab, isNew } = await hostKey(principal, o);
  requireSize('krb5.keytab', keytab);
  files.set('krb5.keytab', keytab);
  const made = new Date().toISOString();
  return { kit: { realm, host, primary, made, files }, principal, isNew };
}

/** @throws Refused */
function requireSize(name: KitFileName, { length }: Uint8Array): void {
  const { mostBytes } = kitFiles[name];
  if (length > 0 && length <= mostBytes) return;
  throw refused(
    `${name} has ${length} bytes, and a kit takes 1 to ${mostBytes}`,
    length === 0
      ? 'write into it what it lacks, or remove it'
      : 'make it shorter, or copy the files by hand',
  );
}

/** The name that kprop will ask a ticket for. */
async function replicaName({ host, krb5 }: CollectOptions): Promise<string> {
  const asTyped = krb5.canonicalizeHostname === 'fallback';
  const [name = host] = asTyped ? [host] : await canonicalNames(host, krb5);
  for (const each of [host, name]) {
    if (!hostName.test(each)) {
      throw refused(`${JSON.stringify(each)} is no host name`, 'name the replica by its DNS name');
    }
  }
  return name;
}

/** The principal with which this host will propagate: the first of its names that has a key. */
async function ownPrincipal({ settings, krb5, environment }: CollectOptions): Promise<string> {
  const path = parseKeytabName(settings.keytab ?? keytabPath(krb5, environment)).path;
  const names = await ownPrincipals('host', settings.realm, krb5);
  const entries = existsSync(path) ? parseKeytab(readFileSync(path), path) : [];
  const own = names.find((name) => entries.some(({ principal }) => principal.equals(name)));
  if (own !== undefined) return `${own}`;
  throw refused(
    `${path} has no key of ${names[0]}, so this host cannot propagate yet`,
    `kadmin.local -q "addprinc -randkey ${names[0]}", then kadmin.local -q "ktadd -norandkey -k ${path} ${names[0]}"`,
  );
}

/** The keys of the replica, by way of a keytab in the state folder, which only root can read. */
async function hostKey(
  principal: string,
  { settings, environment, newKey }: CollectOptions,
): Promise<{ readonly keytab: Uint8Array; readonly isNew: boolean }> {
  const name = quoted(principal);
  const ask = (query: string) => kadminLocal(settings, query, environment);
  const isNew = saysMissing(await ask(`getprinc ${name}`));
  if (isNew) {
    const made = await ask(`addprinc -randkey ${name}`);
    if (!/created/.test(made)) throw kadminFailed(made);
  }
  const folder = temporaryFolder(settings.state);
  try {
    const path = join(folder, 'krb5.keytab');
    const added = await ask(`ktadd ${newKey ? '' : '-norandkey '}-k ${quoted(path)} ${name}`);
    if (!/with kvno \d/.test(added)) throw kadminFailed(added);
    return { keytab: readFileSync(path), isNew };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder for root alone. Those of processes that were killed are removed. */
function temporaryFolder(state: string): string {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(state)) {
    const pid = /^kit\.(\d+)$/.exec(name)?.[1];
    // In a container every process has had this number.
    if (pid !== undefined && (pid === `${process.pid}` || !existsSync(`/proc/${pid}`))) {
      rmSync(join(state, name), { recursive: true, force: true });
    }
  }
  const folder = join(state, `kit.${process.pid}`);
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

function krb5ConfFilesOf(environment: NodeJS.ProcessEnv): readonly string[] {
  const { krb5ConfFiles } = configFilesOf(environment, readDefaultPaths());
  return loadKrb5Config({ krb5ConfFiles }).files;
}

/** One file as it is; several of them, or one that includes others, as one that means the same. */
function configuration(paths: readonly string[]): Uint8Array {
  const [path = ''] = paths;
  if (paths.length === 1) {
    const bytes = fileOf(path);
    if (!/^(include|includedir)\s/m.test(Buffer.from(bytes).toString('latin1'))) return bytes;
  }
  return formatProfile(paths.map(readProfile));
}

function fileOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw refused(`${path} cannot be read (${code})`, 'run kpropctl kit as root', error);
  }
}

function kadminFailed(said: string): Error {
  return refused(
    `kadmin.local: ${lastLine(said)}`,
    'run kpropctl kit as root on the primary, where kadmin.local opens the database',
  );
}

function quoted(word: string): string {
  return `"${word.replaceAll('"', '""')}"`;
}

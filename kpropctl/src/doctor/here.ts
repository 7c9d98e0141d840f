import { realpathSync } from 'node:fs';

import {
  type CheckReplicaOptions,
  checkReplica,
  configFilesOf,
  defaultKeytabName,
  type Krb5Config,
  loadKrb5Config,
  readDefaultPaths,
  runningProcesses,
} from 'kprop';

import { clockFindings } from './clock-check.ts';
import { connection } from './connection.ts';
import { findProgram, rootPath } from './find-program.ts';
import { type Finding, failed, failure, ok } from './finding.ts';
import { kdcFindings, ownKeyFindings, servesDatabase } from './here-kdc.ts';
import { checkOptionsOf, kpropdWords } from './kpropd-words.ts';

/**
 * What is right and wrong with this host as a replica: all that `kpropd --check` looks at, and what is
 * found out by asking: KDCs, the port, the primary. It changes nothing.
 */
export async function hereFindings(
  given: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<readonly Finding[]> {
  try {
    const paths = readDefaultPaths();
    const krb5 = loadKrb5Config(configFilesOf(environment, paths));
    const { words, from } = kpropdWords(given);
    const options = { ...checkOptionsOf(words, paths, environment), config: krb5 };
    const realm = options.realm ?? krb5.defaultRealm;
    const keytab = options.keytab ?? defaultKeytabName(krb5);
    const database = databaseOf(options, krb5, realm) ?? paths.database;
    const place = { krb5, realm, keytab, database };
    // Before the check of the port, which would listen there for a moment if nobody does.
    const listening = await listeningFindings(options, words);
    const [checked, ...asked] = await Promise.all([
      checkReplica(options),
      clockFindings(place),
      ownKeyFindings(place),
      kdcFindings(place),
      pollFindings(options, krb5, realm),
    ]);
    const found = checked.map((finding): Finding => ({ on: 'here', ...finding }));
    // Whether it could listen is of no interest if it has to listen.
    const rest = found.filter(({ check, state }) => check !== 'port' || state !== 'ok');
    const portIsTaken = rest.some(({ check }) => check === 'port');
    const shown = ok('here', 'options', `kpropd's options: ${words.join(' ') || 'none'} (${from})`);
    return [
      shown,
      ...rest,
      ...(portIsTaken ? [] : listening),
      ...kadmindFindings(database),
      ...asked.flat(),
      programsFinding(),
    ];
  } catch (error) {
    return [failed('here', 'configuration', error)];
  }
}

function databaseOf({ loader }: CheckReplicaOptions, krb5: Krb5Config, realm: string) {
  return (typeof loader === 'function' ? undefined : loader.database) ?? krb5.databasePath(realm);
}

/** Whether kpropd listens; that it is kpropd, the check of the port has seen. */
async function listeningFindings(
  options: CheckReplicaOptions,
  words: readonly string[],
): Promise<readonly Finding[]> {
  const port = Number(options.port ?? 754);
  const [host] = [options.address ?? '127.0.0.1'].flat();
  const { fault: errno } = await connection(host ?? '127.0.0.1', port);
  if (errno === undefined) return [ok('here', 'port', `kpropd listens on port ${port}`)];
  const what = `nothing listens on port ${port} (${errno}): kpropd does not run`;
  return [failure('here', 'port', what, ['kpropd', ...words].join(' '))];
}

/** Whether the primary can be polled, as far as its port tells. */
async function pollFindings(
  { incremental }: CheckReplicaOptions,
  krb5: Krb5Config,
  realm: string,
): Promise<readonly Finding[]> {
  const server = incremental?.adminServer ?? krb5.adminServer(realm);
  const port = krb5.ipropPort(realm);
  // What is missing, the check of iprop says.
  if (!krb5.ipropEnable(realm) || server === undefined || port === undefined) return [];
  const host = server.replace(/:\d+$/, '');
  const { fault: errno } = await connection(host, port);
  if (errno === undefined) {
    return [ok('here', 'polling', `kadmind of ${host} can be reached on port ${port}`)];
  }
  const what = `kadmind of ${host} cannot be polled on port ${port} (${errno})`;
  const fix = `on ${host}: iprop_enable = true and iprop_port = ${port} in kdc.conf, then systemctl restart krb5-admin-server`;
  return [failure('here', 'polling', what, fix)];
}

/** A kadmind that takes changes: with -proponly it only feeds replicas below this one. */
function kadmindFindings(database: string): readonly Finding[] {
  const kadminds = runningProcesses().filter(({ words }) => words.startsWith('kadmind '));
  const found = kadminds.find(
    ({ pid, words }) => !/ -proponly\b/.test(words) && servesDatabase(pid, database),
  );
  if (found === undefined) return [];
  const what = `kadmind (pid ${found.pid}) runs on this replica: the changes that it takes are lost at the next propagation`;
  const fix = 'systemctl disable --now krb5-admin-server, unless this host is the primary now';
  return [failure('here', 'kadmind', what, fix)];
}

/** Which programs a root shell finds first. */
function programsFinding(): Finding {
  const found = ['kprop', 'kpropd'].map((name) => {
    const path = findProgram(name, rootPath);
    if (path === undefined) return `no ${name}`;
    const real = realpathSync(path);
    return real === path ? path : `${path} (${real})`;
  });
  return ok('here', 'programs', `a root shell finds ${found.join(' and ')}`);
}

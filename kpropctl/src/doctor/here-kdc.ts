import { readFileSync, statSync } from 'node:fs';

import {
  isKpropError,
  type Krb5Config,
  openFiles,
  ownPrincipals,
  parseKeytab,
  runningProcesses,
  type ServiceKey,
  serviceKeyAt,
} from 'kprop';

import { type Finding, failed, failure, ok, warning } from './finding.ts';

const kdcSeconds = 3;

/** What is asked of KDCs about this replica. */
export interface HereKdc {
  readonly krb5: Krb5Config;
  readonly realm: string;
  /** Its name, such as FILE:/etc/krb5.keytab. */
  readonly keytab: string;
  readonly database: string;
}

/** The key of the keytab against that of each KDC that krb5.conf names. */
export async function ownKeyFindings(o: HereKdc): Promise<readonly Finding[]> {
  const service = await ownService(o);
  // The check of the keytab says why.
  if (service === undefined) return [];
  const kdcs = [...new Set(o.krb5.kdcs(o.realm))];
  const asked = await Promise.all(kdcs.map((kdc) => askKdc(kdc, service, o)));
  const having = kdcs.filter((_, index) => {
    const answer = asked[index];
    return !(answer instanceof Error) && answer?.proved === true;
  });
  return asked.map((answer, index) => {
    const kdc = kdcs[index] ?? '';
    return keyFinding(answer, { kdc, service, isBehind: isBehind(kdc, having, o) }, o);
  });
}

/**
 * Whether a KDC that lacks the keytab's key has an old one, and not the keytab: if the primary has it, or
 * if this host's own KDC lacks it, which gets all its keys by propagation, and another one has it.
 */
function isBehind(kdc: string, having: readonly string[], o: HereKdc): boolean {
  const hostOf = (place = '') => place.replace(/:\d+$/, '').toLowerCase();
  const primaries = [o.krb5.adminServer(o.realm), ...o.krb5.primaryKdcs(o.realm)].map(hostOf);
  if (having.some((each) => primaries.includes(hostOf(each)))) return true;
  return kdc === localKdc(o) && having.length > 0;
}

/** Whether a krb5kdc runs here, serves the database of this replica, and answers. */
export async function kdcFindings(o: HereKdc): Promise<readonly Finding[]> {
  const kdcs = runningProcesses().filter(({ words }) => words.startsWith('krb5kdc '));
  const start = 'systemctl start krb5-kdc';
  // Without a database no KDC starts; that is said already.
  if (statSync(o.database, { throwIfNoEntry: false }) === undefined) return [];
  if (kdcs.length === 0) return [failure('here', 'KDC', 'no krb5kdc runs on this host', start)];
  const serving = kdcs.find(({ pid }) => servesDatabase(pid, o.database));
  if (serving === undefined) {
    const pids = kdcs.map(({ pid }) => pid).join(', ');
    const what = `krb5kdc (pid ${pids}) does not serve ${o.database}`;
    return [failure('here', 'KDC', what, 'systemctl restart krb5-kdc')];
  }
  const service = await ownService(o);
  if (service === undefined) return [];
  const address = localKdc(o);
  const answer = await askKdc(address, service, o);
  if (answer instanceof Error && isKpropError(answer, 'kdc.unreachable')) {
    const what = `krb5kdc (pid ${serving.pid}) does not answer at ${address}`;
    return [failure('here', 'KDC', what, 'systemctl restart krb5-kdc')];
  }
  const what = `krb5kdc (pid ${serving.pid}) serves ${o.database}, and answers at ${address}`;
  return [ok('here', 'KDC', what)];
}

/** It keeps the lock file of its database open. @see krb5 src/plugins/kdb/db2/kdb_db2.c */
function servesDatabase(pid: number, database: string): boolean {
  const wanted = [`${database}.ok`, `${database}.kadm5.lock`];
  return openFiles(pid).some((path) => wanted.includes(path));
}

/** Where krb5kdc listens: the first address of kdc_listen, or the first port of kdc_ports. */
function localKdc({ krb5, realm }: HereKdc): string {
  const relation = (name: string) =>
    krb5.first('realms', realm, name) ?? krb5.first('kdcdefaults', name);
  const text = relation('kdc_listen') ?? relation('kdc_ports') ?? '88';
  const [first = '88'] = text.split(/[\s,]+/);
  return /^\d+$/.test(first)
    ? `127.0.0.1:${first}`
    : first.replace(/^(\*|0\.0\.0\.0):/, '127.0.0.1:');
}

/** host/<this host>, or with ignore_acceptor_hostname any service host of the keytab. */
async function ownService({ krb5, realm, keytab }: HereKdc): Promise<string | undefined> {
  const path = keytab.replace(/^(?:WR)?FILE:/, '');
  if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) return undefined;
  try {
    const held = parseKeytab(readFileSync(path), path).map(({ principal }) => principal);
    const own = await ownPrincipals('host', realm, krb5);
    const first = own.find((each) => held.some((principal) => principal.equals(each)));
    const other = held.find((each) => each.components[0] === 'host' && each.realm === realm);
    return (first ?? (krb5.ignoreAcceptorHostname ? other : undefined))?.toString();
  } catch {
    return undefined;
  }
}

async function askKdc(
  kdc: string,
  service: string,
  { krb5, keytab }: HereKdc,
): Promise<ServiceKey | Error> {
  const signal = AbortSignal.timeout(2 * kdcSeconds * 1000);
  try {
    return await serviceKeyAt({
      ...{ kdc, service, client: service, config: krb5, keytab, serviceKeytab: keytab },
      ...{ timeoutSeconds: kdcSeconds, signal },
    });
  } catch (error) {
    return error as Error;
  }
}

interface Asked {
  readonly kdc: string;
  readonly service: string;
  /** Whether an old key is the KDC's fault. */
  readonly isBehind: boolean;
}

function keyFinding(answer: ServiceKey | Error, asked: Asked, o: HereKdc): Finding {
  const { kdc, service } = asked;
  const add = `kadmin -q "ktadd -k ${o.keytab.replace(/^(?:WR)?FILE:/, '')} ${service}"`;
  if (!(answer instanceof Error)) {
    const version = `version ${answer.kvno} of the key of ${service}`;
    return answer.proved
      ? ok('here', 'key', `the keytab has ${version}, as the KDC ${kdc} has it`)
      : otherKey(`the KDC ${kdc} has ${version}, and the keytab has another`, add, asked, o);
  }
  if (!isKpropError(answer)) return failed('here', 'key', answer);
  switch (answer.code) {
    case 'kdc.unreachable':
    case 'kdc.unresolved':
    case 'aborted':
      return warning(
        'here',
        'key',
        `the KDC ${kdc} does not answer`,
        `start krb5kdc there, or remove the line kdc = ${kdc} from krb5.conf`,
      );
    case 'kdc.error':
    case 'crypto.integrity':
    case 'keytab.wrong-kvno':
    case 'keytab.no-key':
      return otherKey(`${answer.message} (asked ${kdc})`, add, asked, o);
    default:
      return failed('here', 'key', answer);
  }
}

/** A new key reaches other KDCs than the primary's by the next propagation. */
function otherKey(
  what: string,
  add: string,
  { kdc, service, isBehind: late }: Asked,
  { krb5, realm }: HereKdc,
): Finding {
  if (!late) return failure('here', 'key', what, add);
  const primary = (krb5.adminServer(realm) ?? 'the primary').replace(/:\d+$/, '');
  const own = service.replace(/^host\/|@.*/g, '');
  const text = `the KDC ${kdc} has not got the newest key of ${service} yet`;
  return warning('here', 'key', text, `on ${primary}: kprop ${own}`);
}

import { lookup } from 'node:dns/promises';
import { readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

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

import { noteOf } from '../run/report.ts';
import { type Finding, failed, failure, ok, warning } from './finding.ts';
import { askedText, isStaleKey, type TicketSteps, ticketFixBy } from './ticket-fix.ts';

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
  const told = await Promise.all(
    asked.map(async (answer, index) => {
      const kdc = kdcs[index] ?? '';
      const isOwn = await isOwnKdc(kdc, o);
      const late = isBehind(kdc, having, o) || (isOwn && having.length > 0);
      return keyFinding(answer, { kdc, service, isOwn, isBehind: late }, o);
    }),
  );
  return once(told);
}

/** What several KDCs say in the same words is said once, with the names of all of them. */
function once(told: readonly (Told | undefined)[]): readonly Finding[] {
  const groups = new Map<string, { finding: Finding; kdcs: string[] }>();
  for (const each of told) {
    if (each === undefined) continue;
    const { kdc, ...finding } = each;
    const key = JSON.stringify(finding);
    const group = groups.get(key) ?? { finding, kdcs: [] };
    if (kdc !== undefined) group.kdcs.push(kdc);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ finding, kdcs }) =>
    kdcs.length === 0
      ? finding
      : { ...finding, what: `${finding.what} (asked ${kdcs.join(', ')})` },
  );
}

/**
 * Whether a KDC that lacks the keytab's key has an old one, and not the keytab: if the primary has it. (The
 * same goes for this host's own KDC, which gets all its keys by propagation, if any other one has it.)
 */
function isBehind(kdc: string, having: readonly string[], o: HereKdc): boolean {
  const hostOf = (place = '') => place.replace(/:\d+$/, '').toLowerCase();
  const primaries = [o.krb5.adminServer(o.realm), ...o.krb5.primaryKdcs(o.realm)].map(hostOf);
  return !having.includes(kdc) && having.some((each) => primaries.includes(hostOf(each)));
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
export function servesDatabase(pid: number, database: string): boolean {
  const wanted = [`${database}.ok`, `${database}.kadm5.lock`];
  return openFiles(pid).some((path) => wanted.includes(path));
}

/** Where krb5kdc listens: the first address of kdc_listen, or the first port of kdc_ports. */
function localKdc({ krb5, realm }: Pick<HereKdc, 'krb5' | 'realm'>): string {
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
  /** Whether it is the KDC of this host, of which kdcFindings tells whether it answers. */
  readonly isOwn: boolean;
  /** Whether an old key is the KDC's fault. */
  readonly isBehind: boolean;
}

/** A finding, and the KDC that it is about if it does not name that itself. */
interface Told extends Finding {
  readonly kdc?: string;
}

function keyFinding(answer: ServiceKey | Error, asked: Asked, o: HereKdc): Told | undefined {
  const { kdc, service } = asked;
  const steps = stepsHere(o);
  if (!(answer instanceof Error)) {
    const version = `version ${answer.kvno} of the key of ${service}`;
    if (answer.proved) {
      return ok('here', 'key', `the keytab has ${version}, as the KDC ${kdc} has it`);
    }
    if (asked.isBehind) return lateFinding(asked, o);
    const what = `the KDC ${kdc} has ${version}, and the keytab has another`;
    return failure('here', 'key', what, steps.inOrder(...steps.renew(service)));
  }
  if (!isKpropError(answer)) return failed('here', 'key', answer);
  switch (answer.code) {
    case 'kdc.unreachable':
    case 'kdc.unresolved':
    case 'aborted':
      return asked.isOwn ? undefined : silentFinding(kdc, answer);
    case 'kdc.error':
    case 'crypto.integrity':
    case 'keytab.wrong-kvno':
    case 'keytab.no-key':
      return asked.isBehind ? lateFinding(asked, o) : ticketFinding(answer, asked, steps);
    default:
      return failed('here', 'key', answer);
  }
}

function silentFinding(kdc: string, error: Error): Finding {
  return isKpropError(error, 'kdc.unresolved')
    ? warning('here', 'key', askedText(error, kdc), `correct the line kdc = ${kdc} of krb5.conf`)
    : warning(
        'here',
        'key',
        `the KDC ${kdc} does not answer`,
        `start or restart krb5kdc there, or remove the line kdc = ${kdc} from krb5.conf`,
      );
}

/** Why a KDC gives this host no ticket for itself. */
function ticketFinding(error: Error, { kdc, service }: Asked, steps: TicketSteps): Told {
  const { message } = error;
  const parties = { client: service, server: service, serverHost: undefined };
  const fix = ticketFixBy(error, parties, steps);
  if (isStaleKey(error)) {
    const what = `the keytab has an old key of ${service}: ${message}`;
    return { ...failure('here', 'key', what, fix ?? ''), kdc };
  }
  if (isKpropError(error, 'kdc.error') && passwordNumbers.includes(error.detail.number)) {
    const what = `${message}: a propagation needs no ticket of this host, but its key could not be compared`;
    return { ...warning('here', 'key', what, fix ?? ''), kdc };
  }
  return { ...failure('here', 'key', message, fix ?? noteOf(error).remedy), kdc };
}

/** A change reaches other KDCs than the primary's by the next propagation. */
function lateFinding({ kdc, service }: Asked, { krb5, realm }: HereKdc): Finding {
  const primary = (krb5.adminServer(realm) ?? 'the primary').replace(/:\d+$/, '');
  const own = service.replace(/^host\/|@.*/g, '');
  const text = `the KDC ${kdc} does not have the newest entry of ${service} yet`;
  return warning('here', 'key', text, `on ${primary}: kprop ${own}`);
}

/** By kadmin over the network, which can give no key that there is: only a new one. */
function stepsHere({ keytab }: HereKdc): TicketSteps {
  const path = keytab.replace(/^(?:WR)?FILE:/, '');
  const query = (text: string) => `kadmin -q "${text}"`;
  const extract = (principal: string) => query(`ktadd -k ${path} ${principal}`);
  return {
    query,
    extract,
    renew: (principal) => [query(`ktremove -k ${path} ${principal} all`), extract(principal)],
    removeKeytab: `rm ${path}`,
    restartKdc: 'systemctl restart krb5-kdc',
    inOrder: (...steps) => steps.join(' && '),
  };
}

/** Whether a KDC of krb5.conf is that of this host: an address of this host, and the port of its krb5kdc. */
export async function isOwnKdc(kdc: string, o: Pick<HereKdc, 'krb5' | 'realm'>): Promise<boolean> {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(kdc) ?? [];
  const host = bracketed ?? plain;
  const portOf = (place: string) => /:(\d+)$/.exec(place)?.[1] ?? '88';
  if (host === undefined || portOf(kdc) !== portOf(localKdc(o))) return false;
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.some(
    ({ address }) => address.startsWith('127.') || own.some((each) => each.address === address),
  );
}

/** About the password of the client (RFC 4120 §7.5.9): expired or to be changed; more than a password wanted. */
const passwordNumbers: readonly number[] = [23, 25];

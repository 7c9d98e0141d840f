import { isKpropError } from 'kprop';

import { noteOf } from '../run/report.ts';
import { type Examined, keytabOf, runKadminLocal, runKpropctl } from './examined.ts';
import { inOrder, run } from './fix.ts';

export interface TicketParties {
  /** This host's principal. */
  readonly client: string;
  /** Whom the ticket is for. */
  readonly server: string;
  /** The host of that one; this host if undefined. */
  readonly serverHost: string | undefined;
}

/** What an administrator of the host that is examined does, in the words of its fixes. */
export interface TicketSteps {
  /** A query of kadmin. */
  readonly query: (text: string) => string;
  /** Writes keys of a principal into the keytab, which lacks them. */
  readonly extract: (principal: string) => string;
  /** The same in place of those that the KDC does not have. */
  readonly renew: (principal: string) => readonly string[];
  readonly removeKeytab: string;
  readonly restartKdc: string;
  readonly inOrder: (...steps: readonly string[]) => string;
}

/** What to do so that the KDC gives a ticket; undefined if only the error itself knows. */
export function ticketFix(error: unknown, parties: TicketParties, o: Examined): string | undefined {
  return ticketFixBy(error, parties, {
    query: (text) => runKadminLocal(o, text),
    extract: (principal) => extractKey(principal, o),
    renew: (principal) => renewOwnKey(principal, o),
    removeKeytab: run(`rm ${keytabOf(o).path}`),
    // One that hangs is not started by `start`.
    restartKdc: run(`systemctl restart ${o.platform.kdcUnit}`),
    inOrder,
  });
}

export function ticketFixBy(
  error: unknown,
  { client, server, serverHost }: TicketParties,
  steps: TicketSteps,
): string | undefined {
  const { query, extract, renew } = steps;
  const serverKey = serverHost === undefined ? renew(server) : [newKeyOn(serverHost, server)];
  if (isKpropError(error, 'keytab.missing')) {
    return error.detail.errno === 'ENOENT' ? extract(client) : undefined;
  }
  if (isKpropError(error, 'keytab.no-key') || isKpropError(error, 'keytab.wrong-kvno')) {
    return extract(client);
  }
  if (isKpropError(error, 'keytab.format')) {
    return steps.inOrder(steps.removeKeytab, extract(client));
  }
  if (isKpropError(error, 'crypto.integrity')) return steps.inOrder(...renew(client));
  if (isKpropError(error, 'kdc.unreachable')) return steps.restartKdc;
  if (!isKpropError(error, 'kdc.error')) return undefined;
  const { number } = error.detail;
  switch (number) {
    case 1:
      return query(`modprinc -expire never ${client}`);
    case 2:
      return query(`modprinc -expire never ${server}`);
    case 6:
      return steps.inOrder(query(`addprinc -randkey ${client}`), ...renew(client));
    case 7:
      return isLockedService(error)
        ? query(`modprinc +allow_tix ${server}`)
        : steps.inOrder(query(`addprinc -randkey ${server}`), ...serverKey);
    case 18:
      return query(`modprinc +allow_tix -unlock ${client}`);
    case 23:
      return query(`modprinc -pwexpire never -needchange ${client}`);
    case 24:
    case 31:
      return steps.inOrder(...renew(client));
    case 25:
      // The KDC offers an encrypted timestamp to all others.
      return query(`modprinc -requires_hwauth ${client}`);
    case 27:
      return query(`modprinc +allow_svr ${server}`);
    default:
      return undefined;
  }
}

/** Whether a ticket was not given because of the client, which is this host, or because of its keys. */
export function isClientFault(error: unknown): boolean {
  if (isKpropError(error, 'kdc.error')) return clientNumbers.includes(error.detail.number);
  return isKpropError(error) && (error.code.startsWith('keytab.') || isStaleKey(error));
}

/** Whether somebody has locked the service. MIT's KDC uses the number of one that is not there. */
export function isLockedService(error: unknown): boolean {
  if (!isKpropError(error, 'kdc.error')) return false;
  const { number, text } = error.detail;
  return number === 7 && /LOCKED/.test(text);
}

/** Whether the KDC has another key of the client than its keytab. */
export function isStaleKey(error: unknown): boolean {
  if (isKpropError(error, 'kdc.error')) return staleKeyNumbers.includes(error.detail.number);
  return isKpropError(error, 'crypto.integrity') || isKpropError(error, 'keytab.wrong-kvno');
}

/** An error of one KDC that was asked by its name: it says nothing of the others of the realm. */
export function askedText(error: unknown, kdc: string): string {
  if (isKpropError(error, 'kdc.unreachable')) return `the KDC ${kdc} does not answer`;
  if (isKpropError(error, 'kdc.unresolved')) return `the name of the KDC ${kdc} does not resolve`;
  return `${noteOf(error).message} (asked ${kdc})`;
}

/** Writes a key of this host into its keytab; the KDC keeps the key that it has. */
function extractKey(principal: string, o: Examined): string {
  return runKadminLocal(o, `ktadd -norandkey -k ${keytabOf(o).path} ${principal}`);
}

/**
 * The same in place of keys that the KDC does not have: of two keys, the one with the higher version is
 * used, and that of a principal that was made anew is lower. The KDCs of the replicas hear of it by a run.
 */
export function renewOwnKey(principal: string, o: Examined): readonly string[] {
  return [
    runKadminLocal(o, `ktremove -k ${keytabOf(o).path} ${principal} all`),
    extractKey(principal, o),
    runKpropctl(o, 'run'),
  ];
}

/** A new key of a replica, in place of those in its keytab. */
export function newKeyOn(host: string, principal: string): string {
  return inOrder(
    run(`kadmin -q "ktremove ${principal} all"`, host),
    run(`kadmin -q "ktadd ${principal}"`, host),
  );
}

// RFC 4120 §7.5.9
const staleKeyNumbers: readonly number[] = [24, 31];
const clientNumbers: readonly number[] = [1, 6, 18, 23, 25, ...staleKeyNumbers];

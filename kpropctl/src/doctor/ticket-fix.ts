import { isKpropError } from 'kprop';

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

/** What to do so that the KDC gives a ticket; undefined if only the error itself knows. */
export function ticketFix(
  error: unknown,
  { client, server, serverHost }: TicketParties,
  o: Examined,
): string | undefined {
  const local = (query: string) => runKadminLocal(o, query);
  const { path } = keytabOf(o);
  const extract = extractKey(client, o);
  const serverKey =
    serverHost === undefined ? renewOwnKey(server, o) : [newKeyOn(serverHost, server)];
  if (isKpropError(error, 'keytab.missing')) {
    return error.detail.errno === 'ENOENT' ? extract : undefined;
  }
  if (isKpropError(error, 'keytab.no-key') || isKpropError(error, 'keytab.wrong-kvno')) {
    return extract;
  }
  if (isKpropError(error, 'keytab.format')) return inOrder(run(`rm ${path}`), extract);
  if (isKpropError(error, 'crypto.integrity')) return inOrder(...renewOwnKey(client, o));
  if (isKpropError(error, 'kdc.unreachable')) return run(`systemctl start ${o.platform.kdcUnit}`);
  if (!isKpropError(error, 'kdc.error')) return undefined;
  const { number, text } = error.detail;
  switch (number) {
    case 1:
      return local(`modprinc -expire never ${client}`);
    case 2:
      return local(`modprinc -expire never ${server}`);
    case 6:
      return inOrder(local(`addprinc -randkey ${client}`), ...renewOwnKey(client, o));
    case 7:
      // MIT's KDC uses this number for a locked service as well.
      return /LOCKED/.test(text)
        ? local(`modprinc +allow_tix ${server}`)
        : inOrder(local(`addprinc -randkey ${server}`), ...serverKey);
    case 18:
      return local(`modprinc +allow_tix -unlock ${client}`);
    case 23:
      return local(`modprinc -pwexpire never -needchange ${client}`);
    case 24:
    case 31:
      return inOrder(...renewOwnKey(client, o));
    case 27:
      return local(`modprinc +allow_svr ${server}`);
    default:
      return undefined;
  }
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

import { isKpropError, type Phase, probe, servicePrincipals } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { noteOf } from '../run/report.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok, unknown } from './finding.ts';
import { addLine, run } from './fix.ts';
import { newKeyOn, type TicketParties, ticketFix } from './ticket-fix.ts';

/** All that a propagation does before the first byte: ticket, handshake, ACL. Then it leaves. */
export async function handshakeCheck(
  { host, port }: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { settings, krb5 } = o;
  const { realm, keytab } = settings;
  let phase: Phase = 'configuration';
  try {
    const { server, enctype } = await probe({
      ...{ host, port, realm, config: krb5, connectMillis: 3_000, authenticateMillis: 10_000 },
      credential: { kind: 'keytab', name: keytab },
      onPhase: (entered) => {
        phase = entered;
      },
    });
    return [
      ok(host, 'principal', `${server} exists, and the replica's keytab has its key`),
      ok(host, 'ACL', `ACL: kpropd takes dumps from this host, protected with ${enctype}`),
    ];
  } catch (error) {
    const [client = ''] = await servicePrincipals({ config: krb5, realm });
    const [server = ''] =
      krb5.canonicalizeHostname === 'fallback'
        ? [`host/${host}@${realm}`]
        : await servicePrincipals({ config: krb5, realm, host });
    return refusal(error, phase, { client, server, serverHost: host }, o);
  }
}

function refusal(
  error: unknown,
  phase: Phase,
  parties: TicketParties & { readonly serverHost: string },
  o: Examined,
): readonly Finding[] {
  const { server, serverHost: host } = parties;
  const { message, remedy } = noteOf(error);
  switch (phase) {
    case 'configuration':
    case 'credentials': {
      const fix = ticketFix(error, parties, o);
      // What is wrong with this host's own key is told once, by the check of that.
      if (isOwnFault(error)) return [unknown(host, 'principal', `${message}: not asked`, fix)];
      return [failure(host, 'principal', message, fix ?? remedy)];
    }
    case 'connect':
      // The check of the port tells it.
      return [ok(host, 'principal', `${server} exists`), unknown(host, 'ACL', 'ACL: not asked')];
    case 'authenticate':
      return [ok(host, 'principal', `${server} exists`), handshakeFault(error, parties, o)];
    default:
      return [
        ok(host, 'principal', `${server} exists, and the replica's keytab has its key`),
        aclFault(error, parties, o),
      ];
  }
}

/** Why the replica's kpropd does not believe the ticket. */
function handshakeFault(
  error: unknown,
  { server, serverHost: host }: TicketParties & { readonly serverHost: string },
  o: Examined,
): Finding {
  const { message, remedy } = noteOf(error);
  if (isKpropError(error, 'peer.refused')) {
    const { number } = error.detail;
    if (staleKeyNumbers.includes(number)) {
      const what = `the replica's keytab does not have the KDC's key of ${server}: ${message}`;
      return failure(host, 'principal', what, newKeyOn(host, server));
    }
    if (number === skewNumber) {
      return failure(host, 'clock', message, run('chronyc makestep', host));
    }
  }
  if (isKpropError(error, 'network.timeout')) {
    const fix = run(`systemctl restart ${o.platform.kpropdUnit}`, host);
    return unknown(host, 'ACL', `ACL: kpropd does not answer: ${message}`, fix);
  }
  return failure(host, 'ACL', message, remedy);
}

function aclFault(
  error: unknown,
  { client, serverHost: host }: TicketParties & { readonly serverHost: string },
  { platform }: Examined,
): Finding {
  const { message, remedy } = noteOf(error);
  const fix = addLine(platform.kpropdAcl, client, host);
  if (isKpropError(error, 'peer.hung-up')) {
    const what = `not in the ACL: kpropd on ${host} hangs up on ${client} (or cannot open its spool file: its system log says which)`;
    return failure(host, 'ACL', what, fix);
  }
  if (isKpropError(error, 'peer.refused') && / is not authorized /.test(error.detail.text)) {
    return failure(host, 'ACL', `not in the ACL: kpropd on ${host} refuses ${client}`, fix);
  }
  return failure(host, 'ACL', message, remedy);
}

function isOwnFault(error: unknown): boolean {
  if (!isKpropError(error)) return false;
  if (isKpropError(error, 'kdc.error')) return ownNumbers.includes(error.detail.number);
  return !isKpropError(error, 'network.unresolved');
}

// RFC 4120 §7.5.9
const staleKeyNumbers: readonly number[] = [31, 44, 45];
const skewNumber = 37;
/** About the client, which is this host. */
const ownNumbers: readonly number[] = [1, 6, 18, 23, 24, 31];

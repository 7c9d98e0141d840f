import { isKpropError, type Phase, probe, servicePrincipals } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { noteOf } from '../run/report.ts';
import { clockCheck } from './clock-check.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok, unknown } from './finding.ts';
import { addLine, run } from './fix.ts';
import { isClientFault, newKeyOn, type TicketParties, ticketFix } from './ticket-fix.ts';

/** All that a propagation does before the first byte: ticket, handshake, ACL. Then it leaves. */
export async function handshakeCheck(
  replica: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { host, port } = replica;
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
    return await refusal(error, phase, { client, server, serverHost: host, replica }, o);
  }
}

interface Parties extends TicketParties {
  readonly serverHost: string;
  readonly replica: ReplicaSettings;
}

async function refusal(
  error: unknown,
  phase: Phase,
  parties: Parties,
  o: Examined,
): Promise<readonly Finding[]> {
  const { server, serverHost: host } = parties;
  const { message, remedy } = noteOf(error);
  switch (phase) {
    case 'configuration':
    case 'credentials': {
      // What is wrong with this host's own key, or its KDC, is told once, by the check of that.
      if (isTold(error, o)) {
        return [unknown(host, 'principal', `${server}: no KDC was asked for it: see above`)];
      }
      const fix = ticketFix(error, parties, o);
      if (isOwnFault(error)) return [unknown(host, 'principal', `${message}: not asked`, fix)];
      return [failure(host, 'principal', message, fix ?? remedy)];
    }
    case 'connect':
      // The check of the port tells it.
      return [ok(host, 'principal', `${server} exists`), unknown(host, 'ACL', 'ACL: not asked')];
    case 'authenticate':
      return [ok(host, 'principal', `${server} exists`), await handshakeFault(error, parties, o)];
    default:
      return [
        ok(host, 'principal', `${server} exists, and the replica's keytab has its key`),
        aclFault(error, parties, o),
      ];
  }
}

/** Why the replica's kpropd does not believe the ticket. */
async function handshakeFault(
  error: unknown,
  { server, serverHost: host, replica }: Parties,
  o: Examined,
): Promise<Finding> {
  const { message, remedy } = noteOf(error);
  if (isKpropError(error, 'peer.refused')) {
    const { number } = error.detail;
    if (staleKeyNumbers.includes(number)) {
      const what = `the replica's keytab does not have the KDC's key of ${server}: ${message}`;
      return failure(host, 'principal', what, newKeyOn(host, server));
    }
    if (number === noKeyNumber) {
      const what = `kpropd on ${host} cannot read its keytab, or finds no key in it for what it takes for its name: ${message}`;
      return failure(host, 'principal', what, run('kpropctl doctor --here', host));
    }
    if (number === skewNumber) {
      const isTold = (await clockCheck(replica, o)).some(({ state }) => state !== 'ok');
      return isTold
        ? unknown(host, 'ACL', 'ACL: not asked, for the clocks differ: see above')
        : failure(host, 'clock', message, run('chronyc makestep', host));
    }
  }
  if (isKpropError(error, 'network.timeout')) {
    const what = `kpropd on ${host} takes the connection and says nothing: it hangs (${message})`;
    return failure(host, 'ACL', what, run(`systemctl restart ${o.platform.kpropdUnit}`, host));
  }
  return failure(host, 'ACL', message, remedy);
}

function aclFault(
  error: unknown,
  { client, serverHost: host }: Parties,
  { platform, state }: Examined,
): Finding {
  const { message, remedy } = noteOf(error);
  const fix = addLine(platform.kpropdAcl, client, host);
  if (isKpropError(error, 'peer.hung-up')) {
    // MIT's kpropd gives no reason. If it has let this host in before, either is as likely.
    const what = `kpropd on ${host} hangs up on ${client}: it is not in the ACL there, or the received dump cannot be written`;
    const letInBefore = state.replicas[host]?.lastSuccess !== undefined;
    return failure(host, 'ACL', what, letInBefore ? run('kpropctl doctor --here', host) : fix);
  }
  if (isKpropError(error, 'peer.refused') && / is not authorized /.test(error.detail.text)) {
    return failure(host, 'ACL', `not in the ACL: kpropd on ${host} refuses ${client}`, fix);
  }
  return failure(host, 'ACL', message, remedy);
}

/** Whether the check of this host's own key says it, by asking the first KDC. */
function isTold(error: unknown, { krb5, settings }: Examined): boolean {
  if (krb5.kdcs(settings.realm).length === 0) return false;
  if (isKpropError(error, 'kdc.unreachable') || isKpropError(error, 'kdc.unresolved')) return true;
  return isClientFault(error);
}

function isOwnFault(error: unknown): boolean {
  if (!isKpropError(error) || isKpropError(error, 'network.unresolved')) return false;
  return isClientFault(error) || !isKpropError(error, 'kdc.error');
}

// RFC 4120 §7.5.9: KRB_AP_ERR_BAD_INTEGRITY, _BADKEYVER, _NOKEY, _SKEW.
const staleKeyNumbers: readonly number[] = [31, 44];
const noKeyNumber = 45;
const skewNumber = 37;

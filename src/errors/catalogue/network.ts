import { errnoText, resolverTexts } from '../com-err.ts';
import { config, errno, network, row } from './row.ts';

/** Why a connection cannot be made, or ends. */
export const networkRows = {
  'network.unresolved': row<{ host: string; reason: string }>({
    fault: network,
    comErr: (d) => resolverTexts[d.reason] ?? d.reason,
    says: (d) => `${d.host}: ${resolverTexts[d.reason] ?? d.reason}`,
    remedy: (d) =>
      d.reason === 'EAI_SERVICE'
        ? 'give the port as a number, such as `-P 754`, or add the service to /etc/services'
        : d.host === ''
          ? 'give kprop the name of the replica'
          : `correct the name, or add the line \`ADDRESS ${d.host}\` to /etc/hosts`,
  }),
  'network.unreachable': row<{ host: string; port: number; errno: string }>({
    fault: network,
    comErr: errno,
    says: (d) => `cannot connect to ${d.host} port ${d.port}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ECONNREFUSED'
        ? 'on the replica, run `systemctl start krb5-kpropd`; compare its -P with that of kprop'
        : `see that a route leads to ${d.host}, and that firewalls let TCP port ${d.port} through${d.errno === 'ETIMEDOUT' ? ' (--connect-timeout waits less)' : ''}`,
    why: (d) =>
      d.errno === 'ECONNREFUSED'
        ? `nothing listens on ${d.host} port ${d.port}, or a firewall rejects it`
        : undefined,
  }),
  'network.unexpected-host': row<{ host: string; server: string; expect: string }>({
    fault: config,
    says: (d) => `${d.host} is ${d.server}, and not ${d.expect}`,
    remedy: (d) =>
      `correct what \`getent hosts ${d.host}\` says, dns_canonicalize_hostname or rdns in krb5.conf, or --expect`,
  }),
  'network.closed': row<{ peer: string; while: string }>({
    fault: network,
    comErr: 'Software caused connection abort',
    says: (d) => `${d.peer} closed the connection while ${d.while}`,
    remedy: 'on the other side, run `journalctl -t kpropd`: it gave no reason here',
  }),
  'network.failed': row<{ peer: string; while: string; errno: string }>({
    fault: network,
    comErr: errno,
    says: (d) => `the connection with ${d.peer} failed while ${d.while}: ${errnoText(d.errno)}`,
    remedy: 'on the other side, run `journalctl -t kpropd`; see what stands between the two hosts',
  }),
  'network.timeout': row<{ peer: string; while: string; millis: number }>({
    fault: network,
    comErr: 'Connection timed out',
    says: (d) => `no data was exchanged for ${d.millis / 1000} s with ${d.peer} while ${d.while}`,
    remedy:
      'on the other side, run `journalctl -t kpropd`; if it only needs longer, raise the limit: kprop --confirm-timeout, kpropd --idle-timeout',
  }),
} as const;

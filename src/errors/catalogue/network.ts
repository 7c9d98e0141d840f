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
        ? 'give the port as a number, or add the service to /etc/services'
        : `check the spelling of "${d.host}", /etc/hosts and DNS (getent hosts ${d.host})`,
  }),
  'network.unreachable': row<{ host: string; port: number; errno: string }>({
    fault: network,
    comErr: errno,
    says: (d) => `cannot connect to ${d.host} port ${d.port}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ECONNREFUSED'
        ? `nothing listens on ${d.host} port ${d.port}: check that kpropd (or inetd, xinetd, the systemd socket) runs there, on that port, and that no firewall rejects it`
        : `check routes and firewalls to ${d.host} port ${d.port}`,
  }),
  'network.unexpected-host': row<{ host: string; server: string; expect: string }>({
    fault: config,
    says: (d) => `${d.host} is ${d.server}, and not ${d.expect}`,
    remedy: (d) =>
      `run getent hosts ${d.host}, and look at dns_canonicalize_hostname and rdns in krb5.conf; or correct --expect`,
  }),
  'network.closed': row<{ peer: string; while: string }>({
    fault: network,
    comErr: 'Software caused connection abort',
    says: (d) => `${d.peer} closed the connection while ${d.while}`,
    remedy: "look at the other side's log: it closed the connection without giving a reason",
  }),
  'network.failed': row<{ peer: string; while: string; errno: string }>({
    fault: network,
    comErr: errno,
    says: (d) => `the connection with ${d.peer} failed while ${d.while}: ${errnoText(d.errno)}`,
    remedy: "look at the other side's log, and at what stands between the two hosts",
  }),
  'network.timeout': row<{ peer: string; while: string; millis: number }>({
    fault: network,
    comErr: 'Connection timed out',
    says: (d) => `no data was exchanged for ${d.millis / 1000} s with ${d.peer} while ${d.while}`,
    remedy:
      "look at the other side's log and at the network; if the database is large, raise the limit (kprop --confirm-timeout, kpropd --idle-timeout)",
  }),
} as const;

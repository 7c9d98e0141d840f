import { errnoText, krb5ErrorText, krb5ErrorTexts, resolverTexts } from '../com-err.ts';
import { remedyForKdcError } from '../remedies.ts';
import { config, errno, local, network, peer, row, wait } from './row.ts';

/** What the network, the listener and the KDC do to us. */
export const networkRows = {
  'network.unresolved': row<{ host: string; reason: string }>(
    network,
    (d) => resolverTexts[d.reason] ?? d.reason,
    (d) => `${d.host}: ${resolverTexts[d.reason] ?? d.reason}`,
    (d) =>
      d.reason === 'EAI_SERVICE'
        ? 'give the port as a number, or add the service to /etc/services'
        : `check the spelling of "${d.host}", /etc/hosts and DNS (getent hosts ${d.host})`,
  ),
  'network.unreachable': row<{ host: string; port: number; errno: string }>(
    network,
    errno,
    (d) => `cannot connect to ${d.host} port ${d.port}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ECONNREFUSED'
        ? `nothing listens on ${d.host} port ${d.port}: check that kpropd (or inetd, xinetd, the systemd socket) runs there, on that port, and that no firewall rejects it`
        : `check routes and firewalls to ${d.host} port ${d.port}`,
  ),
  'network.unexpected-host': row<{ host: string; server: string; expect: string }>(
    config,
    undefined,
    (d) => `${d.host} is ${d.server}, and not ${d.expect}`,
    (d) =>
      `look at what DNS and /etc/hosts make of ${d.host}, and at dns_canonicalize_hostname in krb5.conf; or expect another principal`,
  ),
  'network.closed': row<{ peer: string; while: string }>(
    network,
    'Software caused connection abort',
    (d) => `${d.peer} closed the connection while ${d.while}`,
    "look at the other side's log: it ended the connection without a reason",
  ),
  'network.failed': row<{ peer: string; while: string; errno: string }>(
    network,
    errno,
    (d) => `the connection with ${d.peer} failed while ${d.while}: ${errnoText(d.errno)}`,
    "look at the other side's log, and at what stands between the two hosts",
  ),
  'network.timeout': row<{ peer: string; while: string; millis: number }>(
    network,
    'Connection timed out',
    (d) => `nothing moved for ${d.millis / 1000} s with ${d.peer} while ${d.while}`,
    'the other side hangs, the network lost it, or the limit is too short for this database',
  ),
  'server.timeout': row<{ millis: number }>(
    { ...local, exit: 75 },
    (d) => `the propagation did not end within ${d.millis / 1000} s`,
    (d) => `the propagation did not end within ${d.millis / 1000} s`,
    'raise iprop_resync_timeout in kdc.conf on the replica if the database is big; 0 is without a limit',
  ),
  'server.busy': row<{ running: number; limit: number; whose: string }>(
    wait,
    (d) => `${d.running} propagations${d.whose} are under way already`,
    (d) => `${d.running} propagations${d.whose} are under way already; the limit is ${d.limit}`,
    'wait for them to end; if the primary starts a propagation before the last one has ended, let it do so less often',
  ),
  'server.listen': row<{ address: string; errno: string }>(
    { ...config, exit: 70 },
    errno,
    (d) => `cannot listen on ${d.address}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'EADDRINUSE'
        ? 'another kpropd, inetd or the systemd socket has the port: stop it, or choose another with -P'
        : 'choose another port with -P; ports below 1024 need root or CAP_NET_BIND_SERVICE',
  ),
  aborted: row<{ reason: string }>(
    wait,
    undefined,
    (d) => `stopped: ${d.reason}`,
    'start it again when you are ready',
    () => 'stopped',
  ),
  'kdc.unknown-realm': row<{ realm: string }>(
    config,
    154,
    (d) => `no KDC is known for realm ${d.realm}`,
    (d) =>
      `add "kdc = host" to [realms] ${d.realm} in krb5.conf, or publish _kerberos._udp.${d.realm} in DNS`,
  ),
  'kdc.unresolved': row<{ realm: string; hosts: readonly string[] }>(
    network,
    156,
    (d) => `none of the KDC names of realm ${d.realm} resolves: ${d.hosts.join(', ')}`,
    'correct the kdc lines in krb5.conf, or DNS',
  ),
  'kdc.unreachable': row<{ realm: string; tried: readonly string[] }>(
    network,
    156,
    (d) => `no KDC of realm ${d.realm} answers; tried ${d.tried.join(', ')}`,
    'check that krb5kdc runs there and that UDP and TCP of that port get through',
  ),
  'kdc.error': row<{ number: number; text: string; client: string; server: string }>(
    { ...config, exit: 77 },
    (d) => d.number,
    (d) =>
      `the KDC gives ${d.client} no ticket for ${d.server}: ${krb5ErrorText(d.number)}${d.text && d.text !== krb5ErrorTexts[d.number] ? ` (${d.text})` : ''}`,
    (d) => remedyForKdcError(d.number),
  ),
  'kdc.bad-reply': row<{ reason: string }>(
    peer,
    147,
    (d) => `the KDC's reply cannot be trusted: ${d.reason}`,
    'something answers in place of the KDC, or changes its replies: check the kdc lines of krb5.conf and the network',
  ),
  'kdc.enctype': row<{ enctype: number }>(
    config,
    237,
    (d) => `the KDC's reply uses encryption type ${d.enctype}, which was not asked for`,
    'compare permitted_enctypes in krb5.conf with the keys of this host principal',
  ),
  'kdc.skew': row<{ seconds: number }>(
    config,
    148,
    (d) => `the KDC's clock differs from ours by ${d.seconds} s`,
    'set both clocks by NTP, or leave kdc_timesync on',
  ),
  'kdc.looping': row<{ requests: number }>(
    peer,
    223,
    (d) => `the KDC still asks for more after ${d.requests} requests`,
    "look at the KDC's log (krb5kdc.log)",
  ),
} as const;

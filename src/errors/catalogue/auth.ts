import { errnoText } from '../com-err.ts';
import { config, errno, local, type Place, peer, row, theKeytab } from './row.ts';

/** Why an acceptor does not let a peer in (RFC 4120 §3.2.3). */
export const authRows = {
  'auth.no-key': row<{ principal: string; keytab: string }>({
    fault: config,
    comErr: 45,
    says: (d) => `the keytab ${d.keytab} has no key for ${d.principal}`,
    remedy: theKeytab,
  }),
  'auth.no-keytab': row<Place>({
    fault: config,
    comErr: 45,
    says: (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'EACCES' ? 'run as root, or as the owner of the keytab' : theKeytab,
  }),
  'auth.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>({
    fault: config,
    comErr: 44,
    says: (d) => `the keytab ${d.keytab} has no key version ${d.kvno} of ${d.principal}`,
    remedy: 'run ktadd for that principal on this host again',
  }),
  'auth.not-us': row<{ principal: string; wanted: string }>({
    fault: peer,
    comErr: 35,
    says: (d) => `the ticket is for ${d.wanted}, and this is ${d.principal}`,
    remedy:
      "the sender must name this host as its key stands in the keytab; or set ignore_acceptor_hostname in this host's krb5.conf",
  }),
  'auth.mismatch': row<{ ticket: string; authenticator: string }>({
    fault: peer,
    comErr: 36,
    says: (d) => `the ticket is of ${d.ticket}, the authenticator of ${d.authenticator}`,
    remedy: 'the request was forged or damaged: find out who sent it',
  }),
  'auth.replay': row<{ client: string }>({
    fault: peer,
    comErr: 34,
    says: (d) => `the request of ${d.client} was seen before`,
    remedy: 'run kprop again; if it stays, something on the way repeats packets',
  }),
  'auth.clock-skew': row<{ seconds: number; limit: number }>({
    fault: peer,
    comErr: 37,
    says: (d) => `the clocks differ by ${d.seconds} s; ${d.limit} s is the limit`,
    remedy: 'set the clocks of the KDC, the primary and the replica by NTP',
  }),
  'auth.not-yet-valid': row<{ starts: string }>({
    fault: peer,
    comErr: 33,
    says: (d) => `the ticket is valid from ${d.starts} on`,
    remedy: "this host's clock is behind the KDC's: set both by NTP",
  }),
  'auth.expired': row<{ ended: string }>({
    fault: peer,
    comErr: 32,
    says: (d) => `the ticket expired at ${d.ended}`,
    remedy:
      "get a fresh ticket; if it is fresh, this host's clock is ahead of the KDC's: set both by NTP",
  }),
  'auth.invalid-ticket': row<Record<never, never>>({
    fault: peer,
    comErr: 145,
    says: () => 'the ticket is marked invalid (postdated, not yet validated)',
    remedy: 'get an ordinary ticket',
  }),
  'auth.transited': row<{ client: string }>({
    fault: peer,
    comErr: 43,
    says: (d) => `the ticket of ${d.client} passed through realms that the KDC did not check`,
    remedy: 'primary and replica must be of one realm',
  }),
  'auth.not-mutual': row<{ client: string }>({
    fault: peer,
    comErr: 46,
    says: (d) => `the request of ${d.client} does not ask for mutual authentication`,
    remedy:
      'no kprop sends such a request: something on the way changes the stream, or replays an old one',
  }),
  'auth.denied': row<{ client: string; enctype: string; acl: string; reason: string }>({
    fault: { ...peer, exit: 77 },
    comErr: (d) => `${d.client} is not authorized to propagate to this host`,
    says: (d) =>
      `${d.client} (ticket enctype ${d.enctype}) may not propagate: ${d.reason} (${d.acl})`,
    remedy: (d) => `if it is your primary, add the line "${d.client}" to ${d.acl}`,
  }),
  'auth.replay-cache': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `the replay cache ${d.path} cannot be used: ${errnoText(d.errno)}`,
    remedy:
      'make its directory and let this program write there, or set KRB5RCACHEDIR or KRB5RCACHENAME',
  }),
  'auth.replay-name': row<{ name: string; known: boolean }>({
    fault: config,
    comErr: (d) => (d.known ? 166 : 161),
    says: (d) =>
      d.known
        ? `"${d.name}" names no replay cache`
        : `replay caches of type "${d.name}" are unknown`,
    remedy:
      'correct KRB5RCACHENAME, KRB5RCACHETYPE or default_rcache_name: dfl:, file2:/path, or none:',
  }),
} as const;

import { errnoText, krb5ErrorTexts } from '../com-err.ts';
import { remedyForReplicaError } from '../remedies.ts';
import { config, errno, local, type Place, peer, row, theKeytab } from './row.ts';

/** Why an acceptor does not let a peer in (RFC 4120 §3.2.3), and what a peer says when it does not let us in. */
export const acceptorRows = {
  'auth.no-key': row<{ principal: string; keytab: string }>(
    config,
    45,
    (d) => `the keytab ${d.keytab} has no key for ${d.principal}`,
    theKeytab,
  ),
  'auth.no-keytab': row<Place>(
    config,
    45,
    (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    (d) => (d.errno === 'EACCES' ? 'run as root, or as the owner of the keytab' : theKeytab),
  ),
  'auth.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>(
    config,
    44,
    (d) => `the keytab ${d.keytab} has no key version ${d.kvno} of ${d.principal}`,
    'run ktadd for that principal on this host again',
  ),
  'auth.not-us': row<{ principal: string; wanted: string }>(
    peer,
    35,
    (d) => `the ticket is for ${d.wanted}, and this is ${d.principal}`,
    "the sender must name this host as its key stands in the keytab; or set ignore_acceptor_hostname in this host's krb5.conf",
  ),
  'auth.mismatch': row<{ ticket: string; authenticator: string }>(
    peer,
    36,
    (d) => `the ticket is of ${d.ticket}, the authenticator of ${d.authenticator}`,
    'the request was forged or damaged: find out who sent it',
  ),
  'auth.replay': row<{ client: string }>(
    peer,
    34,
    (d) => `the request of ${d.client} was seen before`,
    'run kprop again; if it stays, something on the way repeats packets',
  ),
  'auth.clock-skew': row<{ seconds: number; limit: number }>(
    peer,
    37,
    (d) => `the clocks differ by ${d.seconds} s; ${d.limit} s is the limit`,
    'set the clocks of the KDC, the primary and the replica by NTP',
  ),
  'auth.not-yet-valid': row<{ starts: string }>(
    peer,
    33,
    (d) => `the ticket is valid from ${d.starts} on`,
    "this host's clock is behind the KDC's: set both by NTP",
  ),
  'auth.expired': row<{ ended: string }>(
    peer,
    32,
    (d) => `the ticket expired at ${d.ended}`,
    "get a fresh ticket; if it is fresh, this host's clock is ahead of the KDC's: set both by NTP",
  ),
  'auth.invalid-ticket': row<Record<never, never>>(
    peer,
    145,
    () => 'the ticket is marked invalid (postdated, not yet validated)',
    'get an ordinary ticket',
  ),
  'auth.transited': row<{ client: string }>(
    peer,
    43,
    (d) => `the ticket of ${d.client} passed through realms that the KDC did not check`,
    'primary and replica must be of one realm',
  ),
  'auth.not-mutual': row<{ client: string }>(
    peer,
    46,
    (d) => `the request of ${d.client} does not ask for mutual authentication`,
    'no kprop sends such a request: something on the way changes the stream, or replays an old one',
  ),
  'auth.denied': row<{ client: string; enctype: string; acl: string; reason: string }>(
    { ...peer, exit: 77 },
    (d) => `${d.client} is not authorized to propagate to this host`,
    (d) => `${d.client} (ticket enctype ${d.enctype}) may not propagate: ${d.reason} (${d.acl})`,
    (d) => `if it is your primary, add the line "${d.client}" to ${d.acl}`,
  ),
  'auth.replay-cache': row<Place>(
    local,
    errno,
    (d) => `the replay cache ${d.path} cannot be used: ${errnoText(d.errno)}`,
    'make its directory and let this program write there, or set KRB5RCACHEDIR or KRB5RCACHENAME',
  ),
  'auth.replay-name': row<{ name: string; known: boolean }>(
    config,
    (d) => (d.known ? 166 : 161),
    (d) =>
      d.known
        ? `"${d.name}" names no replay cache`
        : `replay caches of type "${d.name}" are unknown`,
    'correct KRB5RCACHENAME, KRB5RCACHETYPE or default_rcache_name: dfl:, file2:/path, or none:',
  ),
  'peer.refused': row<{ peer: string; number: number; text: string }>(
    { ...peer, exit: 77 },
    (d) => d.number,
    (d) =>
      `${d.peer} refused: ${[d.number === 60 ? '' : krb5ErrorTexts[d.number], d.text].filter((t, i, all) => t && all.indexOf(t) === i).join(': ') || `error ${d.number}`}`,
    (d) => remedyForReplicaError(d.number, d.text),
  ),
} as const;

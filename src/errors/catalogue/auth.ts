import { bothClocks } from '../advice.ts';
import { errnoText } from '../com-err.ts';
import {
  addKey,
  config,
  errno,
  folderOf,
  local,
  type Place,
  peer,
  readableKeytab,
  row,
} from './row.ts';

/** Why a replica does not let a peer in (RFC 4120 §3.2.3). */
export const authRows = {
  'auth.no-key': row<{ principal: string; keytab: string }>({
    fault: config,
    comErr: 45,
    says: (d) => `the keytab ${d.keytab} has no key for ${d.principal}`,
    remedy: addKey,
  }),
  'auth.no-keytab': row<Place>({
    fault: config,
    comErr: 45,
    says: (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    remedy: readableKeytab,
  }),
  'auth.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>({
    fault: config,
    comErr: 44,
    says: (d) => `the keytab ${d.keytab} has no key version ${d.kvno} of ${d.principal}`,
    remedy: addKey,
  }),
  'auth.not-us': row<{ principal: string; wanted: string }>({
    fault: peer,
    comErr: 35,
    says: (d) => `the ticket is for ${d.wanted}, but this host is ${d.principal}`,
    remedy:
      'set `ignore_acceptor_hostname = true` in [libdefaults] of /etc/krb5.conf, or give kprop the name that the keytab has (`klist -k`)',
  }),
  'auth.mismatch': row<{ ticket: string; authenticator: string }>({
    fault: peer,
    comErr: 36,
    says: (d) => `the ticket names ${d.ticket}, but the authenticator names ${d.authenticator}`,
    remedy: 'find out who sent the request: it was forged, or damaged on the way',
  }),
  'auth.replay': row<{ client: string }>({
    fault: peer,
    comErr: 34,
    says: (d) => `the same request of ${d.client} has been received before`,
    remedy:
      'run kprop again; if it fails again, find out what repeats packets between the two hosts',
  }),
  'auth.clock-skew': row<{ seconds: number; limit: number }>({
    fault: peer,
    comErr: 37,
    says: (d) => `the clocks of the two hosts differ by ${d.seconds} s; the limit is ${d.limit} s`,
    remedy: bothClocks,
  }),
  'auth.not-yet-valid': row<{ starts: string }>({
    fault: peer,
    comErr: 33,
    says: (d) => `the ticket is not valid before ${d.starts}`,
    why: () => "this host's clock is behind the KDC's",
    remedy: bothClocks,
  }),
  'auth.expired': row<{ ended: string }>({
    fault: peer,
    comErr: 32,
    says: (d) => `the ticket expired at ${d.ended}`,
    why: (d) => `the ticket expired at ${d.ended}: it is old, or this host's clock is ahead`,
    remedy: 'get a fresh ticket (`kinit`); if it is fresh, run `timedatectl set-ntp true`',
  }),
  'auth.invalid-ticket': row<Record<never, never>>({
    fault: peer,
    comErr: 145,
    says: () => 'the ticket is marked invalid (postdated, not yet validated)',
    remedy: 'get a ticket that is not postdated: `kinit` without -s',
  }),
  'auth.transited': row<{ client: string }>({
    fault: peer,
    comErr: 43,
    says: (d) => `the ticket of ${d.client} passed through realms that the KDC did not check`,
    remedy: 'use the same realm on primary and replica: default_realm in krb5.conf, or -r',
  }),
  'auth.not-mutual': row<{ client: string }>({
    fault: peer,
    comErr: 46,
    says: (d) => `the request of ${d.client} does not ask for mutual authentication`,
    remedy: 'find out who sent the request: kprop sends none like it, so it was changed on the way',
  }),
  'auth.denied': row<{
    client: string;
    enctype: string;
    acl: string;
    reason: string;
    /** The line of the ACL that comes near, and what is wrong with it, in words that its client may read. */
    near?: { readonly line: number; readonly fault: string; readonly text: string } | undefined;
  }>({
    fault: { ...peer, exit: 77 },
    comErr: (d) => `${d.client} is not authorized to propagate to this host`,
    says: (d) =>
      `${d.client} (ticket enctype ${d.enctype}) may not propagate: ${d.reason} (${d.acl})`,
    why: (d) =>
      d.near === undefined
        ? `${d.reason} (${d.acl})`
        : `${d.acl} line ${d.near.line} ${d.near.fault}: ${d.near.text}`,
    remedy: (d) =>
      d.near === undefined
        ? `if it is your primary, add the line \`${d.client}\` to ${d.acl}`
        : `if it is your primary, write \`${d.client}\` as line ${d.near.line} of ${d.acl}`,
    toPeer: (d) =>
      `${d.client} is not authorized to propagate to this host${d.near === undefined ? '' : `: its line ${d.near.line} ${d.near.fault}`}`,
  }),
  'auth.replay-cache': row<Place>({
    fault: local,
    comErr: errno,
    says: (d) => `the replay cache ${d.path} cannot be used: ${errnoText(d.errno)}`,
    remedy: (d) =>
      d.errno === 'ENOENT'
        ? `run \`mkdir -p ${folderOf(d.path)}\`, or name another place in KRB5RCACHEDIR`
        : `let kpropd write ${d.path}, or name another place in KRB5RCACHEDIR`,
  }),
  'auth.replay-name': row<{ name: string; known: boolean }>({
    fault: config,
    comErr: (d) => (d.known ? 166 : 161),
    says: (d) =>
      d.known
        ? `"${d.name}" is not the name of a replay cache`
        : `replay caches of type "${d.name}" are not supported`,
    remedy:
      'set KRB5RCACHENAME, KRB5RCACHETYPE, or default_rcache_name in krb5.conf to `dfl:`, or to file2:/path',
  }),
} as const;

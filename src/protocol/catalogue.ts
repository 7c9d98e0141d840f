import { adviceForKdcError, adviceForReplicaError } from './advice.ts';
import {
  asn1ErrorTexts,
  errnoText,
  krb5ErrorText,
  krb5ErrorTexts,
  resolverTexts,
} from './com-err.ts';

/** What is known of one error code. */
export interface Row<D> {
  /** Who has to act. */
  readonly fault: 'peer' | 'network' | 'local' | 'config';
  /** Number in com_err's krb5 table, or com_err's text where it comes from another table. */
  readonly comErr?: number | string | ((detail: D) => number | string | undefined);
  /** sysexits.h */
  readonly exit: 70 | 74 | 75 | 76 | 77 | 78;
  readonly retry: boolean;
  says(detail: D): string;
  advice(detail: D): string;
}

interface Blank {
  readonly fault: Row<never>['fault'];
  readonly exit: Row<never>['exit'];
  readonly retry: boolean;
}
const peer: Blank = { fault: 'peer', exit: 76, retry: false };
const network: Blank = { fault: 'network', exit: 75, retry: true };
const local: Blank = { fault: 'local', exit: 74, retry: false };
const wait: Blank = { fault: 'local', exit: 75, retry: true };
const config: Blank = { fault: 'config', exit: 78, retry: false };

function row<D>(
  blank: Blank,
  comErr: Row<D>['comErr'],
  says: (detail: D) => string,
  advice: string | ((detail: D) => string),
): Row<D> {
  return {
    ...blank,
    ...(comErr === undefined ? {} : { comErr }),
    says,
    advice: typeof advice === 'string' ? () => advice : advice,
  };
}

interface Place {
  readonly path: string;
  readonly errno: string;
}
const errno = (detail: { readonly errno: string }) => errnoText(detail.errno);

const notKerberos =
  'the other side does not speak this protocol, or the stream was changed on the way: check host and port';
const changedOnTheWay =
  'the stream was changed on the way, or the two sides hold different keys: check what stands between them';
const runDump = 'run kdb5_util dump again and look at its exit status before kprop';
const staleKeytab =
  "the key in this host's keytab is not the KDC's: someone ran ktadd or changed the key since; run ktadd on this host again";
const theKeytab =
  'check the keytab (klist -k), KRB5_KTNAME and default_keytab_name, and run ktadd on this host if the key is missing';

// com_err's texts by the reasons of config.value.
const configValueTexts: Readonly<Record<string, string | undefined>> = {
  'is not a boolean': 'Invalid boolean value',
  'is not an integer': 'Invalid integer value',
  'is not a duration': krb5ErrorTexts[248],
};

export const catalogue = {
  // Bytes that are not what they should be.
  'decode.truncated': row<{ what: string; offset: number; wanted: number; available: number }>(
    peer,
    asn1ErrorTexts.overrun,
    (d) => `${d.what} ends after ${d.available} of ${d.wanted} bytes at offset ${d.offset}`,
    notKerberos,
  ),
  'decode.trailing': row<{ what: string; extra: number }>(
    peer,
    asn1ErrorTexts.badFormat,
    (d) => `${d.what} is followed by ${d.extra} bytes that do not belong to it`,
    notKerberos,
  ),
  'decode.unexpected-tag': row<{ what: string; wanted: string; found: string }>(
    peer,
    asn1ErrorTexts.badTag,
    (d) => `${d.what} should be ${d.wanted} and is ${d.found}`,
    notKerberos,
  ),
  'decode.missing-field': row<{ what: string }>(
    peer,
    asn1ErrorTexts.missingField,
    (d) => `${d.what} is missing`,
    notKerberos,
  ),
  'decode.bad-value': row<{ what: string; reason: string }>(
    peer,
    asn1ErrorTexts.badFormat,
    (d) => `${d.what} ${d.reason}`,
    notKerberos,
  ),
  'message.unexpected': row<{ wanted: string; found: string }>(
    peer,
    40,
    (d) => `expected ${d.wanted}, got ${d.found}`,
    notKerberos,
  ),
  'message.bad-version': row<{ what: string; version: number }>(
    peer,
    39,
    (d) => `${d.what} is of Kerberos protocol version ${d.version}, not 5`,
    notKerberos,
  ),
  'message.too-long': row<{ what: string; bytes: number; limit: number }>(
    peer,
    190,
    (d) => `${d.what} claims ${d.bytes} bytes; the limit is ${d.limit}`,
    notKerberos,
  ),

  // Keys and ciphers.
  'crypto.integrity': row<{ what: string }>(
    peer,
    31,
    (d) => `${d.what} cannot be decrypted or verified with the key at hand`,
    // These two are sealed with a long-term key: that a keytab is stale is likelier than an attack.
    (d) => (d.what === 'ticket' || d.what === 'EncKDCRepPart' ? staleKeytab : changedOnTheWay),
  ),
  'crypto.unsupported-enctype': row<{ enctype: number | string }>(
    config,
    150,
    (d) => `encryption type ${d.enctype} is not known here`,
    'use one of the encryption types that README lists, for both host principals',
  ),
  'crypto.not-permitted': row<{ enctype: string }>(
    config,
    236,
    (d) => `encryption type ${d.enctype} is not permitted`,
    'list it in permitted_enctypes of krb5.conf on this host, or give both host principals keys of a permitted type; des3 and rc4 also need allow_des3, allow_rc4 or allow_weak_crypto',
  ),
  'crypto.no-enctypes': row<{ relation: string }>(
    config,
    237,
    (d) => `${d.relation} leaves no usable encryption type`,
    (d) => `correct ${d.relation} in krb5.conf`,
  ),
  'crypto.bad-key-size': row<{ enctype: string; bytes: number }>(
    config,
    189,
    (d) => `a key of ${d.bytes} bytes does not fit ${d.enctype}`,
    'the key file is damaged: write it again with ktadd',
  ),
  'crypto.bad-checksum-type': row<{ type: number }>(
    peer,
    50,
    (d) => `checksum type ${d.type} is not the keyed one that the key demands`,
    changedOnTheWay,
  ),

  // The conversation.
  'session.bad-sendauth-version': row<{ got: string }>(
    peer,
    204,
    (d) => `the sendauth version is ${d.got}`,
    notKerberos,
  ),
  'session.bad-application-version': row<{ got: string }>(
    peer,
    205,
    (d) => `the application version is ${d.got}`,
    'the other side is another Kerberos service, not kprop: check host and port',
  ),
  'session.bad-response': row<{ found: string }>(
    peer,
    206,
    (d) => `got ${d.found} where a sendauth answer belongs`,
    notKerberos,
  ),
  'session.out-of-order': row<{ what: string; expected: number; got: number }>(
    peer,
    42,
    (d) => `${d.what} has sequence number ${d.got}; ${d.expected} is next`,
    'messages were repeated, lost or reordered on the way: run kprop again, and check what stands between the two hosts',
  ),
  'session.mutual-failed': row<Record<never, never>>(
    peer,
    158,
    () => 'the replica did not prove that it knows the session key',
    'whatever answered there is not the replica you asked for: check host, port and DNS',
  ),

  // The acceptor's checks of an AP-REQ (RFC 4120 §3.2.3).
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
  'auth.denied': row<{ client: string; enctype: string; acl: string; reason: string }>(
    { ...peer, exit: 77 },
    (d) => `${d.client} is not authorized to propagate to this host (${d.reason})`,
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
    (d) => adviceForReplicaError(d.number, d.text),
  ),

  // The network.
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
  ),

  // The KDC.
  'kdc.unknown-realm': row<{ realm: string }>(
    config,
    154,
    (d) => `no KDC is known for realm ${d.realm}`,
    (d) =>
      `add "kdc = host" to [realms] ${d.realm} in krb5.conf, or publish _kerberos._udp.${d.realm} in DNS`,
  ),
  // MIT's library gives the same code as for a KDC that does not answer: measured with 1.20.1.
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
    (d) => adviceForKdcError(d.number),
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

  // Configuration and key files.
  'config.no-realm': row<{ files: readonly string[] }>(
    config,
    224,
    (d) => `no default realm is configured${d.files.length > 0 ? ` in ${d.files.join(', ')}` : ''}`,
    'set default_realm in [libdefaults] of krb5.conf, or give the realm with -r',
  ),
  'config.syntax': row<{ file: string; line: number; reason: string }>(
    config,
    136,
    (d) => `${d.file} line ${d.line}: ${d.reason}`,
    (d) => `correct line ${d.line} of ${d.file}`,
  ),
  'config.include': row<Place & { file: string; line: number; kind: 'include' | 'includedir' }>(
    config,
    (d) => `Included profile ${d.kind === 'include' ? 'file' : 'directory'} could not be read`,
    (d) => `${d.file} line ${d.line}: cannot read ${d.path}: ${errnoText(d.errno)}`,
    (d) => `correct or remove line ${d.line} of ${d.file}`,
  ),
  'config.value': row<{ relation: string; value: string; reason: string }>(
    config,
    (d) => configValueTexts[d.reason] ?? 'Invalid argument',
    (d) => `${d.relation} = ${d.value} ${d.reason}`,
    (d) => `correct ${d.relation} in krb5.conf or kdc.conf`,
  ),
  'config.unreadable': row<Place>(
    config,
    errno,
    (d) => `cannot read ${d.path}: ${errnoText(d.errno)}`,
    'correct its permissions, or KRB5_CONFIG',
  ),
  'principal.malformed': row<{ text: string; reason: string }>(
    config,
    134,
    (d) => `"${d.text}" is no principal: ${d.reason}`,
    'write it as name/instance@REALM; a backslash escapes / @ and itself',
  ),
  'keytab.missing': row<Place>(
    config,
    errno,
    (d) => `cannot read the keytab ${d.path}: ${errnoText(d.errno)}`,
    theKeytab,
  ),
  'keytab.unknown-type': row<{ name: string }>(
    config,
    180,
    (d) => `"${d.name}" is no kind of keytab that is known here`,
    'name it FILE:/path, or just /path',
  ),
  'keytab.format': row<{ path: string; reason: string }>(
    config,
    (d) => (d.reason === 'bad record length' ? 235 : 213),
    (d) => `${d.path} is no keytab: ${d.reason}`,
    'remove the file and write it again with ktadd',
  ),
  'keytab.no-key': row<{ principal: string; keytab: string }>(
    config,
    181,
    (d) => `the keytab ${d.keytab} has no usable key for ${d.principal}`,
    theKeytab,
  ),
  'keytab.wrong-kvno': row<{ principal: string; kvno: number; keytab: string }>(
    config,
    230,
    (d) => `the keytab ${d.keytab} has other key versions of ${d.principal}, not ${d.kvno}`,
    theKeytab,
  ),
  'ccache.missing': row<Place>(
    config,
    (d) => (d.errno === 'ENOENT' ? 195 : errnoText(d.errno)),
    (d) => `cannot read the credential cache ${d.path}: ${errnoText(d.errno)}`,
    'get the ticket first (kinit -S host/replica), or use the keytab',
  ),
  'ccache.unknown-type': row<{ name: string }>(
    config,
    'Unknown credential cache type',
    (d) => `"${d.name}" is no kind of credential cache that is known here`,
    'name it FILE:/path, or just /path',
  ),
  'ccache.format': row<{ path: string; reason: string }>(
    config,
    199,
    (d) => `${d.path} is no credential cache: ${d.reason}`,
    'remove it and get the ticket again',
  ),
  'ccache.no-ticket': row<{ path: string; server: string }>(
    config,
    141,
    (d) => `the credential cache ${d.path} has no ticket for ${d.server}`,
    (d) => `get it first: kinit -c ${d.path} -S ${d.server}`,
  ),
  'host.no-koffi': row<{ reason: string }>(
    config,
    (d) => `the package koffi cannot be loaded (${d.reason})`,
    (d) => `the package koffi, our way to the C library, cannot be loaded: ${d.reason}`,
    'install kprop again, without --omit=optional: the part of koffi for this machine is an optional package',
  ),
  'gss.unavailable': row<{ reason: string }>(
    config,
    undefined,
    (d) => `the GSS credential source cannot be used: ${d.reason}`,
    'install the optional package "kerberos" (it needs libkrb5-dev and a C++ compiler), or use the keytab source',
  ),
  'gss.failed': row<{ reason: string }>(
    config,
    undefined,
    (d) => `the system's Kerberos did not get the ticket: ${d.reason}`,
    'try it by hand: kinit -k, then kvno host/replica; KRB5_TRACE=/dev/stderr shows each step',
  ),

  // The dump on the primary.
  'dump.missing': row<Place>(
    local,
    errno,
    (d) => `cannot open the dump ${d.path}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ENOENT'
        ? `make it first: kdb5_util dump ${d.path.replace(/\.dump_ok$/, '')}`
        : 'give kprop the right file with -f, and the right to read it',
  ),
  'dump.not-ready': row<{ path: string; okPath: string }>(
    wait,
    undefined,
    (d) => `'${d.path}' more recent than '${d.okPath}'.`,
    'a dump is being written, or failed: wait for kdb5_util dump to end, look at its exit status, and run it again if need be',
  ),
  'dump.locked': row<{ path: string }>(
    wait,
    undefined,
    (d) => `the dump ${d.path} is locked by another process`,
    'another program writes it: wait for it to end',
  ),
  'dump.read': row<Place>(
    local,
    errno,
    (d) => `cannot read the dump ${d.path}: ${errnoText(d.errno)}`,
    'check the disk, and that -f names a file',
  ),
  'dump.changed': row<{ expected: number; got: number }>(
    wait,
    undefined,
    (d) => `the dump changed while it was sent: ${d.expected} bytes at first, ${d.got} at its end`,
    `something rewrites the file in place; ${runDump}`,
  ),

  // What the replica counts, stores and loads.
  'kprop.bad-size': row<{ reason: string }>(
    peer,
    undefined,
    (d) => `the database size message is malformed: ${d.reason}`,
    notKerberos,
  ),
  'kprop.too-much': row<{ received: number; expected: number }>(
    peer,
    undefined,
    (d) => `Received ${d.received} bytes, expected ${d.expected} bytes for database file`,
    'the dump changed while it was sent, or the sender is broken: nothing was loaded; run kprop again',
  ),
  'kprop.wrong-confirmation': row<{ sent: number; confirmed: number }>(
    peer,
    undefined,
    (d) => `Kpropd sent database size ${d.confirmed}, expecting ${d.sent}`,
    'the replica loaded something else than was sent: look at its log, and run kprop again',
  ),
  'spool.busy': row<{ path: string }>(
    wait,
    (d) => `the spool file ${d.path} is locked by another propagation`,
    (d) => `the spool file ${d.path} is locked by another process`,
    'another propagation is running here: wait for it to end',
  ),
  'spool.write': row<Place>(
    local,
    errno,
    (d) => `cannot write the spool file ${d.path}: ${errnoText(d.errno)}`,
    (d) =>
      d.errno === 'ENOSPC' || d.errno === 'EDQUOT'
        ? 'make room on this disk, then run kprop again'
        : 'check the directory that -f names, its owner and its permissions',
  ),
  'spool.superseded': row<{ client: string }>(
    wait,
    (d) => `a newer propagation of ${d.client} was loaded meanwhile`,
    (d) => `a newer propagation of ${d.client} was loaded while this one was received`,
    'nothing is lost: the newer database is live; let propagations to one replica not overlap',
  ),
  'spool.malformed': row<{ path: string; reason: string }>(
    peer,
    (d) => `the dump was not loaded: it ${d.reason}`,
    (d) => `the dump in ${d.path} was not loaded: it ${d.reason}`,
    runDump,
  ),
  'loader.missing': row<Place>(
    config,
    (d) => `${errnoText(d.errno)} while trying to exec ${d.path}`,
    (d) => `cannot run ${d.path}: ${errnoText(d.errno)}`,
    'install kdb5_util (Debian: krb5-kdc), or name it with -p',
  ),
  'loader.failed': row<{ path: string; status: number; stderr: string }>(
    { ...local, exit: 70 },
    (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    (d) => `${d.path} returned a bad exit status (${d.status})${d.stderr && `: ${d.stderr}`}`,
    'the database is the one from before; see what kdb5_util says, and try it by hand on the spool file',
  ),
  'loader.killed': row<{ path: string; signal: string; stderr: string }>(
    { ...local, exit: 70 },
    (d) => `${d.path} load terminated by ${d.signal}`,
    (d) => `${d.path} load terminated by ${d.signal}`,
    'something ended kdb5_util (the kernel out of memory, an administrator): look at the system log, then run kprop again',
  ),
  'loader.timeout': row<{ path: string; millis: number }>(
    { ...local, exit: 70 },
    (d) => `${d.path} did not end within ${d.millis / 1000} s and was killed`,
    (d) => `${d.path} did not end within ${d.millis / 1000} s and was killed`,
    'raise iprop_resync_timeout in kdc.conf on the replica if the database is big',
  ),
} as const;

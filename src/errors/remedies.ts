/**
 * What to do about an error number that came over the wire. The same number means different things
 * from a KDC and from a replica, hence two tables.
 */

const keytabIsStale =
  "the keytab's key is not the KDC's: someone ran ktadd or changed the key since; run ktadd again for this host";

const kdcRemedies: Readonly<Record<number, string>> = {
  1: 'raise the expiration of this host principal (kadmin: modprinc -expire)',
  2: "raise the expiration of the replica's host principal (kadmin: modprinc -expire)",
  6: 'create this host principal and put its key into the keytab (kadmin: addprinc -randkey, ktadd); if the name is not the one you expect, look at /etc/hosts, DNS and dns_canonicalize_hostname in krb5.conf',
  7: "create the replica's host principal (kadmin: addprinc -randkey); if the name is not the one you expect, give kprop the replica's full name and look at DNS, rdns and dns_canonicalize_hostname in krb5.conf",
  12: "the KDC's policy forbids it: ask for the policy of both host principals (kadmin: getprinc)",
  14: 'the KDC has no key of an encryption type that both sides permit: compare permitted_enctypes here with the keys of both host principals (kadmin: getprinc)',
  18: 'this host principal is locked or has -allow_tix set (kadmin: getprinc; modprinc -unlock, modprinc +allow_tix)',
  19: "the replica's host principal is locked or has -allow_tix set (kadmin: getprinc, modprinc +allow_tix)",
  23: "this host principal's password has expired (kadmin: modprinc -pwexpire never)",
  24: keytabIsStale,
  25: 'the KDC demands a preauthentication that is not the encrypted timestamp (PKINIT, SPAKE or FAST): use the GSS credential source, or let host principals use their keytab key',
  27: "the replica's host principal has -allow_svr set (kadmin: modprinc +allow_svr)",
  31: keytabIsStale,
  37: "this host's clock and the KDC's differ by more than the KDC allows: set both by NTP",
  60: "look at the KDC's log (krb5kdc.log) for this request",
  68: 'the KDC serves another realm: correct default_realm, -r, or the kdc lines of [realms] in krb5.conf',
};

const replicaRemedies: Readonly<Record<number, string>> = {
  31: "the replica's keytab holds another key than the KDC gave the ticket for: run ktadd for the replica's host principal on the replica again",
  32: "the replica's clock is ahead of the KDC's by more than the ticket's life: set it by NTP",
  33: "the replica's clock is behind the KDC's by more than its clockskew: set it by NTP",
  34: 'the replica has seen this very request before: try again; if it stays, something on the way repeats packets',
  35: 'the replica calls itself by another name than you asked for: use the name under which its key stands in its keytab, or set ignore_acceptor_hostname in its krb5.conf',
  37: "the clocks of the replica and the KDC differ by more than the replica's clockskew (300 s by default): set both by NTP",
  42: 'messages arrived out of order: something on the way changes the stream',
  44: "the replica's keytab has an older or newer key version: run ktadd for the replica's host principal on the replica again",
  45: "the replica's kpropd has no key for its own name: check its keytab (klist -k), its host name, and that kpropd may read the keytab",
};

/** The remedy for an error number that a KDC sent. */
export function remedyForKdcError(number: number): string {
  return kdcRemedies[number] ?? "look at the KDC's log (krb5kdc.log) for this request";
}

/** The remedy for a KRB-ERROR that kpropd sent; `text` is its e-text. */
export function remedyForReplicaError(number: number, text: string): string {
  // The step that failed may stand behind it: "while writing database block starting at offset 0".
  const said = text.replace(/ while .*$/, '');
  const known = replicaTexts.find(({ phrase }) => phrase.test(said));
  return (
    known?.remedy ??
    replicaRemedies[number] ??
    "look at the replica's syslog: kpropd says more there"
  );
}

/**
 * What kpropd says: its own and MIT's whole phrases, for a reason that mostly has no number of its own.
 * A word inside a path or a principal means nothing.
 */
const replicaTexts: readonly { readonly phrase: RegExp; readonly remedy: string }[] = [
  {
    phrase: /^\S+ is not authorized to propagate to this host$/,
    remedy:
      "add this host's principal to kpropd.acl on the replica, exactly as printed, realm included",
  },
  {
    phrase: /^No space left on device$/,
    remedy: "make room on the replica's disk, then run kprop again",
  },
  {
    phrase: /^the spool file is locked by another propagation$/,
    remedy:
      'another propagation to this replica is still running: wait for it, then run kprop again',
  },
  {
    phrase: /^Encryption type (?:\S+ )?not permitted$/,
    remedy:
      "the replica's permitted_enctypes excludes the encryption type of the ticket or of its session key: make both sides agree",
  },
];

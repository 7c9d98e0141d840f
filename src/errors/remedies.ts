import { staleKeytab } from './catalogue/row.ts';

export const kdcLog = "look at the KDC's log (krb5kdc.log) for this request";

/**
 * What to do about an error number that came over the wire. The same number means different things
 * from a KDC and from a replica, hence two tables.
 */
const kdcRemedies: Readonly<Record<number, string>> = {
  1: 'this host principal has expired: extend it (kadmin: modprinc -expire never)',
  2: "the replica's host principal has expired: extend it (kadmin: modprinc -expire never)",
  6: 'create this host principal and put its key into the keytab (kadmin: addprinc -randkey, ktadd); if the name is not the one you expect, look at /etc/hosts, DNS and dns_canonicalize_hostname in krb5.conf',
  7: "create the replica's host principal (kadmin: addprinc -randkey); if the name is not the one you expect, give kprop the replica's full name and look at DNS, rdns and dns_canonicalize_hostname in krb5.conf",
  12: "the KDC's policy forbids it: look at the policy and the attributes of both host principals (kadmin: getprinc)",
  14: 'the KDC has no key of an encryption type that both sides permit: compare permitted_enctypes here with the keys of both host principals (kadmin: getprinc)',
  18: 'this host principal is locked out or has -allow_tix set (kadmin: getprinc, modprinc -unlock, modprinc +allow_tix)',
  19: "the replica's host principal has -allow_tix set (kadmin: modprinc +allow_tix)",
  23: "this host principal's password has expired (kadmin: modprinc -pwexpire never)",
  24: staleKeytab,
  25: 'the KDC demands another preauthentication than an encrypted timestamp (PKINIT, SPAKE or FAST): use kprop --gss, or let the KDC accept encrypted timestamps of this host principal',
  27: "the replica's host principal has -allow_svr set (kadmin: modprinc +allow_svr)",
  31: staleKeytab,
  37: "this host's clock and the KDC's differ by more than the KDC allows: set both by NTP",
  60: kdcLog,
  68: 'the KDC serves another realm: correct -r, default_realm, or the kdc lines of [realms] in krb5.conf',
};

const replicaRemedies: Readonly<Record<number, string>> = {
  31: "the key in the replica's keytab is not the one with which the KDC encrypted the ticket: run ktadd for the replica's host principal on the replica again",
  32: "the replica's clock is ahead of the KDC's by more than the lifetime of the ticket: set it by NTP",
  33: "the replica's clock is behind the KDC's by more than its clockskew: set it by NTP",
  34: 'the replica has received the same request before: run kprop again; if it fails again, find out what repeats packets between the two hosts',
  35: 'the replica goes by another name than the one that kprop was given: give kprop the name that its keytab has (klist -k on the replica), or set ignore_acceptor_hostname = true in [libdefaults] of its krb5.conf',
  37: "the clocks of the replica and the KDC differ by more than the replica's clockskew (300 s by default): set both by NTP",
  42: 'run kprop again, and check what stands between the two hosts: messages arrived out of order',
  44: "the replica's keytab has an older or a newer key version: run ktadd for the replica's host principal on the replica again",
  45: "the replica's kpropd has no key for its own name: check its keytab (klist -k), its host name, and that kpropd may read the keytab",
};

/** The remedy for an error number that a KDC sent. */
export function remedyForKdcError(number: number): string {
  return kdcRemedies[number] ?? kdcLog;
}

/** The remedy for a KRB-ERROR that kpropd sent; `text` is its e-text. */
export function remedyForReplicaError(number: number, text: string): string {
  // The step that failed may follow: "while writing database block starting at offset 0".
  const said = text.replace(/ while .*$/, '');
  const known = replicaTexts.find(({ phrase }) => phrase.test(said));
  return (
    known?.remedy ??
    replicaRemedies[number] ??
    "look at the replica's syslog (journalctl -t kpropd): kpropd says more there"
  );
}

/**
 * Remedies by kpropd's text, ours or MIT's, for reasons that have no error number of their own. Whole
 * phrases only: a word inside a path or a principal means nothing.
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
      "the replica's permitted_enctypes excludes the encryption type of the ticket or of its session key: set permitted_enctypes in krb5.conf alike on both hosts",
  },
];

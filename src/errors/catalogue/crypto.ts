import { config, peer, row } from './row.ts';

const changedOnTheWay =
  'run kprop again; if it fails again, see what stands between the two hosts: it changes the stream';

const isLongTerm = (what: string) => what === 'ticket' || what === 'EncKDCRepPart';

/** What is wrong with a cipher, a checksum or a key. */
export const cryptoRows = {
  'crypto.integrity': row<{ what: string }>({
    fault: peer,
    comErr: 31,
    says: (d) => `${d.what} cannot be decrypted or verified with the key that belongs to it`,
    // These two are encrypted with a long-term key: an old key in a keytab is likelier than an attack.
    why: (d) =>
      isLongTerm(d.what) ? "the keytab's key is not the one that the KDC has" : undefined,
    remedy: (d) =>
      isLongTerm(d.what) ? 'run `kadmin -q "ktadd host/THIS.HOST"` on this host' : changedOnTheWay,
  }),
  'crypto.unsupported-enctype': row<{ enctype: number | string }>({
    fault: config,
    comErr: 150,
    says: (d) => `encryption type ${d.enctype} is not supported`,
    remedy:
      'on both hosts, give their principal AES keys: `kadmin -q "ktadd -e aes256-cts-hmac-sha1-96:normal host/THIS.HOST"`',
  }),
  'crypto.not-permitted': row<{ enctype: string }>({
    fault: config,
    comErr: 236,
    says: (d) => `encryption type ${d.enctype} is not permitted`,
    remedy:
      'on both hosts, run `kadmin -q "ktadd -e aes256-cts-hmac-sha1-96:normal host/THIS.HOST"`, or permit that type: permitted_enctypes, allow_rc4, allow_des3, --require-enctype',
  }),
  'crypto.no-enctypes': row<{ relation: string }>({
    fault: config,
    comErr: 237,
    says: (d) => `${d.relation} leaves no usable encryption type`,
    remedy: (d) =>
      /^\w+$/.test(d.relation)
        ? `correct ${d.relation} in [libdefaults] of krb5.conf`
        : `correct ${d.relation}, or permitted_enctypes in krb5.conf`,
  }),
  'crypto.bad-key-size': row<{ enctype: string; bytes: number }>({
    fault: config,
    comErr: 189,
    says: (d) => `a key of ${d.bytes} bytes does not fit ${d.enctype}`,
    remedy:
      'remove the keytab or credential cache, which is damaged, and write it again (ktadd, kinit)',
  }),
  'crypto.bad-checksum-type': row<{ type: number }>({
    fault: peer,
    comErr: 50,
    says: (d) => `checksum type ${d.type} is not the one that belongs to the key`,
    remedy: changedOnTheWay,
  }),
} as const;

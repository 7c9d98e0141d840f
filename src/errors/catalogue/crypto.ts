import { config, peer, row, staleKeytab } from './row.ts';

const changedOnTheWay =
  'check what stands between the two hosts: the stream was changed on the way, or they hold different keys';

/** What is wrong with a cipher, a checksum or a key. */
export const cryptoRows = {
  'crypto.integrity': row<{ what: string }>({
    fault: peer,
    comErr: 31,
    says: (d) => `${d.what} cannot be decrypted or verified with the key that belongs to it`,
    remedy: (d) =>
      // These two are encrypted with a long-term key: an old key in a keytab is likelier than an attack.
      d.what === 'ticket' || d.what === 'EncKDCRepPart' ? staleKeytab : changedOnTheWay,
  }),
  'crypto.unsupported-enctype': row<{ enctype: number | string }>({
    fault: config,
    comErr: 150,
    says: (d) => `encryption type ${d.enctype} is not supported`,
    remedy:
      'give both host principals keys of a type that README.md lists: kadmin -q "ktadd -e aes256-cts-hmac-sha1-96:normal PRINCIPAL"',
  }),
  'crypto.not-permitted': row<{ enctype: string }>({
    fault: config,
    comErr: 236,
    says: (d) => `encryption type ${d.enctype} is not permitted`,
    remedy:
      'give both host principals keys of a permitted type, or permit this one in krb5.conf on this host: permitted_enctypes, and for des3 or rc4 also allow_des3, allow_rc4 or allow_weak_crypto; if kpropd runs with --require-enctype, add it there',
  }),
  'crypto.no-enctypes': row<{ relation: string }>({
    fault: config,
    comErr: 237,
    says: (d) => `${d.relation} leaves no usable encryption type`,
    remedy: (d) => `correct ${d.relation}, or permitted_enctypes in krb5.conf`,
  }),
  'crypto.bad-key-size': row<{ enctype: string; bytes: number }>({
    fault: config,
    comErr: 189,
    says: (d) => `a key of ${d.bytes} bytes does not fit ${d.enctype}`,
    remedy:
      'the keytab or the credential cache is damaged: remove the file and write it again (ktadd, kinit)',
  }),
  'crypto.bad-checksum-type': row<{ type: number }>({
    fault: peer,
    comErr: 50,
    says: (d) => `checksum type ${d.type} is not the one that belongs to the key`,
    remedy: changedOnTheWay,
  }),
} as const;

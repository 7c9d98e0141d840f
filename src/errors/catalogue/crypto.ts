import { config, peer, row } from './row.ts';

const changedOnTheWay =
  'the stream was changed on the way, or the two sides hold different keys: check what stands between them';

const staleKeytab =
  "the key in this host's keytab is not the KDC's: someone ran ktadd or changed the key since; run ktadd on this host again";

/** What is wrong with a cipher, a checksum or a key. */
export const cryptoRows = {
  'crypto.integrity': row<{ what: string }>({
    fault: peer,
    comErr: 31,
    says: (d) => `${d.what} cannot be decrypted or verified with the key at hand`,
    remedy: // These two are sealed with a long-term key: that a keytab is stale is likelier than an attack.
      (d) => (d.what === 'ticket' || d.what === 'EncKDCRepPart' ? staleKeytab : changedOnTheWay),
  }),
  'crypto.unsupported-enctype': row<{ enctype: number | string }>({
    fault: config,
    comErr: 150,
    says: (d) => `encryption type ${d.enctype} is not known here`,
    remedy: 'use one of the encryption types that README lists, for both host principals',
  }),
  'crypto.not-permitted': row<{ enctype: string }>({
    fault: config,
    comErr: 236,
    says: (d) => `encryption type ${d.enctype} is not permitted`,
    remedy:
      'list it in permitted_enctypes of krb5.conf on this host, or give both host principals keys of a permitted type; des3 and rc4 also need allow_des3, allow_rc4 or allow_weak_crypto; kpropd --require-enctype excludes all others',
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
    remedy: 'the key file is damaged: write it again with ktadd',
  }),
  'crypto.bad-checksum-type': row<{ type: number }>({
    fault: peer,
    comErr: 50,
    says: (d) => `checksum type ${d.type} is not the keyed one that the key demands`,
    remedy: changedOnTheWay,
  }),
} as const;

import { asn1ErrorTexts } from '../com-err.ts';
import { config, notKerberos, peer, row } from './row.ts';

const changedOnTheWay =
  'the stream was changed on the way, or the two sides hold different keys: check what stands between them';
const staleKeytab =
  "the key in this host's keytab is not the KDC's: someone ran ktadd or changed the key since; run ktadd on this host again";

/** What is wrong with the bytes of a message, its cipher, or the order of messages. */
export const wireRows = {
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
    3,
    (d) => `${d.what} says Kerberos protocol version ${d.version}, not 5`,
    notKerberos,
  ),
  'message.too-long': row<{ what: string; bytes: number; limit: number }>(
    peer,
    190,
    (d) => `${d.what} claims ${d.bytes} bytes; the limit is ${d.limit}`,
    notKerberos,
  ),
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
    'list it in permitted_enctypes of krb5.conf on this host, or give both host principals keys of a permitted type; des3 and rc4 also need allow_des3, allow_rc4 or allow_weak_crypto; kpropd --require-enctype excludes all others',
  ),
  'crypto.no-enctypes': row<{ relation: string }>(
    config,
    237,
    (d) => `${d.relation} leaves no usable encryption type`,
    (d) => `correct ${d.relation}, or permitted_enctypes in krb5.conf`,
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
} as const;

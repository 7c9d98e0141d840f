import {
  flags,
  int32,
  kerberosTime,
  microseconds,
  octetString,
  seqNumber,
  stringBytes,
  withRaw,
} from '../../der/primitives.ts';
import {
  application,
  type Decoded,
  field,
  optional,
  sequence,
  sequenceOf,
} from '../../der/schema.ts';
import { tags } from './numbers.ts';
import {
  encryptedData,
  encryptionKey,
  hostAddresses,
  kerberosString,
  paData,
  principalName,
  versionNumber,
} from './parts.ts';
import { ticket } from './ticket.ts';

/** AS-REQ, RFC 4120 §5.4.1; times in seconds since 1970. */
export const asReq = application(
  tags.asReq,
  sequence('AS-REQ', {
    pvno: field(1, versionNumber),
    msgType: field(2, int32),
    padata: optional(3, sequenceOf('padata', paData)),
    reqBody: field(
      4,
      sequence('KDC-REQ-BODY', {
        kdcOptions: field(0, flags),
        cname: optional(1, principalName),
        realm: field(2, kerberosString),
        sname: optional(3, principalName),
        from: optional(4, kerberosTime),
        till: field(5, kerberosTime),
        rtime: optional(6, kerberosTime),
        nonce: field(7, seqNumber),
        etype: field(8, sequenceOf('etype', int32)),
        addresses: optional(9, hostAddresses),
        encAuthorizationData: optional(10, encryptedData),
        additionalTickets: optional(11, sequenceOf('additional-tickets', ticket)),
      }),
    ),
  }),
);
export type AsReq = Decoded<typeof asReq>;

/** AS-REP, RFC 4120 §5.4.2. */
export const asRep = application(
  tags.asRep,
  sequence('AS-REP', {
    pvno: field(0, versionNumber),
    msgType: field(1, int32),
    padata: optional(2, sequenceOf('padata', paData)),
    crealm: field(3, kerberosString),
    cname: field(4, principalName),
    ticket: field(5, withRaw(ticket)),
    encPart: field(6, encryptedData),
  }),
);
export type AsRep = Decoded<typeof asRep>;

/**
 * EncASRepPart, RFC 4120 §5.4.2; encrypted-pa-data: RFC 6806 §11.
 * MIT's KDC writes the tag of EncTGSRepPart here: both are read.
 */
export const encAsRepPart = application(
  tags.encTgsRepPart,
  sequence('EncKDCRepPart', {
    key: field(0, encryptionKey),
    lastReq: field(
      1,
      sequenceOf(
        'LastReq',
        sequence('LastReq element', { lrType: field(0, int32), lrValue: field(1, kerberosTime) }),
      ),
    ),
    nonce: field(2, seqNumber),
    keyExpiration: optional(3, kerberosTime),
    flags: field(4, flags),
    authtime: field(5, kerberosTime),
    starttime: optional(6, kerberosTime),
    endtime: field(7, kerberosTime),
    renewTill: optional(8, kerberosTime),
    srealm: field(9, kerberosString),
    sname: field(10, principalName),
    caddr: optional(11, hostAddresses),
    encryptedPaData: optional(12, sequenceOf('encrypted-pa-data', paData)),
  }),
  [tags.encAsRepPart],
);
export type EncAsRepPart = Decoded<typeof encAsRepPart>;

/** PA-ENC-TS-ENC, RFC 4120 §5.2.7.2. */
export const paEncTsEnc = sequence('PA-ENC-TS-ENC', {
  patimestamp: field(0, kerberosTime),
  pausec: optional(1, microseconds),
});

/** ETYPE-INFO2 and ETYPE-INFO (RFC 4120 §5.2.7.5, §5.2.7.4); salts are kept as bytes. */
export const etypeInfo2 = sequenceOf(
  'ETYPE-INFO2',
  sequence('ETYPE-INFO2-ENTRY', {
    etype: field(0, int32),
    salt: optional(1, stringBytes),
    s2kparams: optional(2, octetString),
  }),
);
export const etypeInfo = sequenceOf(
  'ETYPE-INFO',
  sequence('ETYPE-INFO-ENTRY', { etype: field(0, int32), salt: optional(1, octetString) }),
);

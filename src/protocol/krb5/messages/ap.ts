import {
  flags,
  int32,
  kerberosTime,
  microseconds,
  seqNumber,
  withRaw,
} from '../../der/primitives.ts';
import { application, type Decoded, field, optional, sequence } from '../../der/schema.ts';
import { tags } from './numbers.ts';
import {
  authorizationData,
  checksum,
  encryptedData,
  encryptionKey,
  kerberosString,
  principalName,
  versionNumber,
} from './parts.ts';
import { ticket } from './ticket.ts';

/** AP-REQ, RFC 4120 §5.5.1. The ticket is sent byte for byte as the KDC gave it. */
export const apReq = application(
  tags.apReq,
  sequence('AP-REQ', {
    pvno: field(0, versionNumber),
    msgType: field(1, int32),
    apOptions: field(2, flags),
    ticket: field(3, withRaw(ticket)),
    authenticator: field(4, encryptedData),
  }),
);

/** Authenticator, RFC 4120 §5.5.1. MIT leaves out a sequence number of 0. */
export const authenticator = application(
  tags.authenticator,
  sequence('Authenticator', {
    authenticatorVno: field(0, versionNumber),
    crealm: field(1, kerberosString),
    cname: field(2, principalName),
    cksum: optional(3, checksum),
    cusec: field(4, microseconds),
    ctime: field(5, kerberosTime),
    subkey: optional(6, encryptionKey),
    seqNumber: optional(7, seqNumber),
    authorizationData: optional(8, authorizationData),
  }),
);
export type Authenticator = Decoded<typeof authenticator>;

/** AP-REP, RFC 4120 §5.5.2. */
export const apRep = application(
  tags.apRep,
  sequence('AP-REP', {
    pvno: field(0, versionNumber),
    msgType: field(1, int32),
    encPart: field(2, encryptedData),
  }),
);

/** EncAPRepPart, RFC 4120 §5.5.2. */
export const encApRepPart = application(
  tags.encApRepPart,
  sequence('EncAPRepPart', {
    ctime: field(0, kerberosTime),
    cusec: field(1, microseconds),
    subkey: optional(2, encryptionKey),
    seqNumber: optional(3, seqNumber),
  }),
);

import { flags, int32, kerberosTime, octetString } from '../../der/primitives.ts';
import { application, type Decoded, field, optional, sequence } from '../../der/schema.ts';
import { tags } from './numbers.ts';
import {
  authorizationData,
  encryptedData,
  encryptionKey,
  hostAddresses,
  kerberosString,
  principalName,
  versionNumber,
} from './parts.ts';

/** Ticket, RFC 4120 §5.3. */
export const ticket = application(
  tags.ticket,
  sequence('Ticket', {
    tktVno: field(0, versionNumber),
    realm: field(1, kerberosString),
    sname: field(2, principalName),
    encPart: field(3, encryptedData),
  }),
);
export type Ticket = Decoded<typeof ticket>;

/** EncTicketPart, RFC 4120 §5.3; times in seconds since 1970. */
export const encTicketPart = application(
  tags.encTicketPart,
  sequence('EncTicketPart', {
    flags: field(0, flags),
    key: field(1, encryptionKey),
    crealm: field(2, kerberosString),
    cname: field(3, principalName),
    transited: field(
      4,
      sequence('TransitedEncoding', { trType: field(0, int32), contents: field(1, octetString) }),
    ),
    authtime: field(5, kerberosTime),
    starttime: optional(6, kerberosTime),
    endtime: field(7, kerberosTime),
    renewTill: optional(8, kerberosTime),
    caddr: optional(9, hostAddresses),
    authorizationData: optional(10, authorizationData),
  }),
);
export type EncTicketPart = Decoded<typeof encTicketPart>;

import { asn1ErrorTexts } from '../com-err.ts';
import { notKerberos, peer, row } from './row.ts';

/** Bytes from the peer that are not the message that belongs there. */
export const decodeRows = {
  'decode.truncated': row<{ what: string; offset: number; wanted: number; available: number }>({
    fault: peer,
    comErr: asn1ErrorTexts.overrun,
    says: (d) => `${d.what} ends after ${d.available} of ${d.wanted} bytes at offset ${d.offset}`,
    remedy: notKerberos,
  }),
  'decode.trailing': row<{ what: string; extra: number }>({
    fault: peer,
    comErr: asn1ErrorTexts.badFormat,
    says: (d) => `${d.what} is followed by ${d.extra} bytes that do not belong to it`,
    remedy: notKerberos,
  }),
  'decode.unexpected-tag': row<{ what: string; wanted: string; found: string }>({
    fault: peer,
    comErr: asn1ErrorTexts.badTag,
    says: (d) => `${d.what} should be ${d.wanted} but is ${d.found}`,
    remedy: notKerberos,
  }),
  'decode.missing-field': row<{ what: string }>({
    fault: peer,
    comErr: asn1ErrorTexts.missingField,
    says: (d) => `${d.what} is missing`,
    remedy: notKerberos,
  }),
  'decode.bad-value': row<{ what: string; reason: string }>({
    fault: peer,
    comErr: asn1ErrorTexts.badFormat,
    says: (d) => `${d.what} ${d.reason}`,
    remedy: notKerberos,
  }),
} as const;

import {
  int32,
  kerberosTime,
  microseconds,
  octetString,
  seqNumber,
  withRaw,
} from '../../der/primitives.ts';
import { application, type Decoded, field, optional, sequence } from '../../der/schema.ts';
import { tags } from './numbers.ts';
import { checksum, hostAddress, versionNumber } from './parts.ts';

/** KRB-SAFE-BODY, RFC 4120 §5.6.1. */
export const safeBody = sequence('KRB-SAFE-BODY', {
  userData: field(0, octetString),
  timestamp: optional(1, kerberosTime),
  usec: optional(2, microseconds),
  seqNumber: optional(3, seqNumber),
  sAddress: field(4, hostAddress),
  rAddress: optional(5, hostAddress),
});
export type SafeBody = Decoded<typeof safeBody>;

/** KRB-SAFE, RFC 4120 §5.6.1. The checksum covers the bytes of the body as they were received. */
export const krbSafe = application(
  tags.safe,
  sequence('KRB-SAFE', {
    pvno: field(0, versionNumber),
    msgType: field(1, int32),
    safeBody: field(2, withRaw(safeBody)),
    cksum: field(3, checksum),
  }),
);

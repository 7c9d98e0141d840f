import { notKerberos, peer, row } from './row.ts';

/** Messages of another kind, version or length than expected. */
export const messageRows = {
  'message.unexpected': row<{ wanted: string; found: string }>({
    fault: peer,
    comErr: 40,
    says: (d) => `expected ${d.wanted}, got ${d.found}`,
    remedy: notKerberos,
  }),
  'message.bad-version': row<{ what: string; version: number }>({
    fault: peer,
    comErr: 3,
    says: (d) => `${d.what} is of Kerberos protocol version ${d.version}, not 5`,
    remedy: notKerberos,
  }),
  'message.too-long': row<{ what: string; bytes: number; limit: number }>({
    fault: peer,
    comErr: 190,
    says: (d) => `${d.what} is announced as ${d.bytes} bytes; the limit is ${d.limit}`,
    remedy: notKerberos,
  }),
} as const;

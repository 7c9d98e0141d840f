import { notKerberos, peer, row } from './row.ts';

/** What is wrong with the size and the length of a dump that is sent. */
export const kpropRows = {
  'kprop.bad-size': row<{ reason: string }>({
    fault: peer,
    says: (d) => `the database size message is malformed: ${d.reason}`,
    remedy: notKerberos,
  }),
  'kprop.too-much': row<{ received: number; expected: number }>({
    fault: peer,
    says: (d) => `Received ${d.received} bytes, expected ${d.expected} bytes for database file`,
    remedy:
      'the dump changed while it was sent, or the sender is broken: nothing was loaded; run kprop again',
  }),
  'kprop.too-large': row<{ bytes: number; limit: number }>({
    fault: peer,
    comErr: (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    says: (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    remedy: 'if the database has really grown that large, raise --max-dump on the replica',
  }),
  'kprop.wrong-confirmation': row<{ sent: number; confirmed: number }>({
    fault: peer,
    says: (d) => `Kpropd sent database size ${d.confirmed}, expecting ${d.sent}`,
    remedy: 'the replica loaded something else than was sent: look at its log, and run kprop again',
  }),
} as const;

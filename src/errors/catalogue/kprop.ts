import { notKerberos, peer, row } from './row.ts';

/** What is wrong with the size of a dump on its way: announced, received or confirmed. */
export const kpropRows = {
  'kprop.bad-size': row<{ reason: string }>({
    fault: peer,
    says: (d) => `the database size message is malformed: ${d.reason}`,
    remedy: notKerberos,
  }),
  'kprop.too-much': row<{ received: number; expected: number }>({
    fault: peer,
    says: (d) => `Received ${d.received} bytes, expected ${d.expected} bytes for database file`,
    remedy: 'run kprop again: the dump changed while it was sent; nothing was loaded',
  }),
  'kprop.too-large': row<{ bytes: number; limit: number }>({
    fault: peer,
    comErr: (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    says: (d) => `the dump has ${d.bytes} bytes; this replica takes ${d.limit}`,
    remedy: (d) =>
      `if the database has grown that large, start kpropd with \`--max-dump=${2 * d.bytes}\``,
  }),
  'kprop.wrong-confirmation': row<{ sent: number; confirmed: number }>({
    fault: peer,
    says: (d) => `Kpropd sent database size ${d.confirmed}, expecting ${d.sent}`,
    remedy:
      'on the replica, run `journalctl -t kpropd`; then run kprop again: it did not load what was sent',
  }),
} as const;

import { notKerberos, peer, row } from './row.ts';

/** What is wrong with the handshake, or with the order of the messages. */
export const sessionRows = {
  'session.bad-sendauth-version': row<{ got: string }>({
    fault: peer,
    comErr: 204,
    says: (d) => `the sendauth version is ${d.got}`,
    remedy: notKerberos,
  }),
  'session.bad-application-version': row<{ got: string }>({
    fault: peer,
    comErr: 205,
    says: (d) => `the application version is ${d.got}`,
    remedy: 'check host and port: another Kerberos service answers there, not kpropd',
  }),
  'session.bad-response': row<{ found: string }>({
    fault: peer,
    comErr: 206,
    says: (d) => `got ${d.found} instead of a sendauth answer`,
    remedy: notKerberos,
  }),
  'session.out-of-order': row<{ what: string; expected: number; got: number }>({
    fault: peer,
    comErr: 42,
    says: (d) => `${d.what} has sequence number ${d.got}; expected ${d.expected}`,
    remedy:
      'run kprop again; if it fails again, see what stands between the hosts: it repeats or drops messages',
  }),
  'session.replayed': row<{ number: number }>({
    fault: peer,
    comErr: 'The token was a duplicate of an earlier token',
    says: (d) => `a message with sequence number ${d.number} arrived a second time`,
    remedy: 'see what stands between the two hosts: it repeats or changes messages',
  }),
  'session.mutual-failed': row<Record<never, never>>({
    fault: peer,
    comErr: 158,
    says: () => 'the replica did not prove that it knows the session key',
    remedy: 'check host, port and DNS: what answers there is not the replica',
  }),
} as const;

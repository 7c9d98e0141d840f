import { notKerberos, peer, row } from './row.ts';

/** What is wrong with the order and the state of the messages of a session. */
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
    remedy: 'the other side is another Kerberos service, not kprop: check host and port',
  }),
  'session.bad-response': row<{ found: string }>({
    fault: peer,
    comErr: 206,
    says: (d) => `got ${d.found} where a sendauth answer belongs`,
    remedy: notKerberos,
  }),
  'session.out-of-order': row<{ what: string; expected: number; got: number }>({
    fault: peer,
    comErr: 42,
    says: (d) => `${d.what} has sequence number ${d.got}; ${d.expected} is next`,
    remedy:
      'messages were repeated, lost or reordered on the way: run kprop again, and check what stands between the two hosts',
  }),
  'session.mutual-failed': row<Record<never, never>>({
    fault: peer,
    comErr: 158,
    says: () => 'the replica did not prove that it knows the session key',
    remedy: 'whatever answered there is not the replica you asked for: check host, port and DNS',
  }),
} as const;

import { config, row } from './row.ts';

/** What the system's Kerberos library cannot do. */
export const gssRows = {
  'gss.unavailable': row<{ reason: string }>({
    fault: config,
    says: (d) => `the GSS credential source cannot be used: ${d.reason}`,
    remedy:
      'install the optional package "kerberos" (`npm install kerberos`; it needs libkrb5-dev and a C++ compiler), or leave out --gss',
  }),
  'gss.failed': row<{ reason: string }>({
    fault: config,
    says: (d) => `the system's Kerberos did not get the ticket: ${d.reason}`,
    remedy:
      'try it by hand: `kinit -k`, then `kvno host/REPLICA`; KRB5_TRACE=/dev/stderr shows each step',
  }),
} as const;

import { config, row } from './row.ts';

/** What this host lacks. */
export const hostRows = {
  'host.no-koffi': row<{ reason: string }>({
    fault: config,
    comErr: (d) => `the package koffi cannot be loaded (${d.reason})`,
    says: (d) => `the package koffi, which calls the C library, cannot be loaded: ${d.reason}`,
    remedy:
      'run `npm install` again, without --omit=optional: the part of koffi for this machine is optional',
    toPeer: () => 'the package koffi cannot be loaded',
  }),
} as const;

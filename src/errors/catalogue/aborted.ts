import { row, wait } from './row.ts';

/** What the caller or an administrator stopped. */
export const abortedRows = {
  aborted: row<{ reason: string }>({
    fault: wait,
    says: (d) => `stopped: ${d.reason}`,
    remedy: 'run kprop again',
    toPeer: () => 'stopped',
  }),
} as const;

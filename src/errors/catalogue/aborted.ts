import { row, wait } from './row.ts';

/** What was stopped by its caller. */
export const abortedRows = {
  aborted: row<{ reason: string }>({
    fault: wait,
    says: (d) => `stopped: ${d.reason}`,
    remedy: 'start it again when you are ready',
    toPeer: () => 'stopped',
  }),
} as const;

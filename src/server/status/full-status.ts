import type { PhaseMillis } from '../events.ts';
import type { NotedError } from './noted-error.ts';

/** How the full propagations to a replica went. */
export interface FullStatus {
  /** The one whose database became live last. */
  readonly lastSuccess?:
    | {
        readonly at: string;
        /** Whose propagation it was. */
        readonly client: string;
        readonly bytes: number;
        /** Absent if nobody counted them, as with another loader than kdb5_util. */
        readonly principals?: number | undefined;
        readonly policies?: number | undefined;
        readonly millis: PhaseMillis;
      }
    | undefined;
  /** The last one that failed, perhaps before that success. Who may not propagate is not in it. */
  readonly lastFailure?: (NotedError & { readonly client: string }) | undefined;
}

import { isKpropError } from 'kprop';

import { Refused } from '../kit/refused.ts';
import type { ErrorNote } from '../state/state.ts';

/** How a run ended for one replica. */
export interface ReplicaReport {
  readonly host: string;
  /** `skipped`: nothing had changed, or another replica that it waits for failed. */
  readonly state: 'current' | 'failed' | 'held' | 'skipped';
  readonly required: boolean;
  /** Whether its own KDC has the dump; null if that was not asked, or could not be. */
  readonly proved: boolean | null;
  readonly has: number | null;
  readonly attempts: number;
  readonly bytes: number;
  readonly millis: number;
  /** Milliseconds of the attempt that succeeded, by phase: connecting, authenticating, sending, loading. */
  readonly phases: Readonly<Record<string, number>>;
  readonly error: ErrorNote | null;
}

export interface DumpReport {
  readonly path: string;
  readonly principals: number;
  readonly bytes: number;
  readonly millis: number;
  readonly digest: string;
  /** Principals more than in the last good dump. */
  readonly grown: number | null;
  /** Whether the last one that was sent has the same digest. */
  readonly unchanged: boolean;
  readonly refused: ErrorNote | null;
}

/** The contract of `run --json`. */
export interface RunReport {
  readonly schema: 'kpropctl.run/1';
  readonly realm: string;
  readonly generation: number;
  readonly exit: number;
  readonly started: string;
  readonly millis: number;
  readonly dump: DumpReport | null;
  readonly replicas: readonly ReplicaReport[];
  /** Why nothing was begun: another run, not the primary. */
  readonly refused: ErrorNote | null;
}

export const exits = {
  allCurrent: 0,
  someFailed: 1,
  noneCurrent: 2,
  nothingSent: 3,
  otherRun: 4,
  notPrimary: 5,
  usage: 64,
  configuration: 78,
} as const;

/** The exit status that outcomes have together. */
export function exitOf(replicas: readonly ReplicaReport[]): number {
  const counted = replicas.filter(({ required, state }) => required && state !== 'held');
  const failed = counted.filter(
    ({ state, error }) => state === 'failed' || (state === 'skipped' && error !== null),
  );
  if (failed.length === 0) return exits.allCurrent;
  return failed.length === counted.length ? exits.noneCurrent : exits.someFailed;
}

/** An error in words that can be kept. */
export function noteOf(error: unknown): ErrorNote {
  if (isKpropError(error)) {
    return {
      code: error.code,
      phase: error.phase ?? null,
      message: error.message,
      remedy: error.remedy,
    };
  }
  if (error instanceof Refused) return note('refused', error.message, error.remedy);
  const message = error instanceof Error ? error.message : `${error}`;
  return { code: 'kpropctl.internal', phase: null, message, remedy: 'report this to the authors' };
}

export function note(code: string, message: string, remedy: string): ErrorNote {
  return { code: `kpropctl.${code}`, phase: null, message, remedy };
}

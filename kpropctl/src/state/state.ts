import { closeSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { replaceOwnFile } from 'kprop';

import { isSameHost } from '../run/same-host.ts';
import { lockIn } from './lock-in.ts';

/** An error as reports have it. */
export interface ErrorNote {
  readonly code: string;
  readonly phase: string | null;
  readonly message: string;
  readonly remedy: string;
}

/** What is remembered of a replica. Times are RFC 3339. */
export interface ReplicaState {
  readonly lastAttempt?: string;
  readonly lastSuccess?: string;
  /** The generation that it was last known to have, and whether that was proved. */
  readonly has?: number;
  readonly proved?: boolean;
  /** Of the last success; phases in milliseconds, too. */
  readonly millis?: number;
  readonly bytes?: number;
  readonly phases?: Readonly<Record<string, number>>;
  /** Counted from the first run on. */
  readonly attempts?: number;
  readonly failuresByCode?: Readonly<Record<string, number>>;
  /** Failed runs in a row, and since when. */
  readonly failures?: number;
  readonly failingSince?: string;
  readonly error?: ErrorNote;
}

export interface Hold {
  readonly until: string | null;
  readonly reason: string;
  readonly since: string;
}

export function isHeld(hold: Hold | undefined, now: number): hold is Hold {
  return hold !== undefined && (hold.until === null || Date.parse(hold.until) > now);
}

export interface DumpState {
  readonly at: string;
  readonly generation: number;
  readonly principals: number;
  readonly bytes: number;
  readonly digest: string;
}

/** All that is remembered. It can be deleted without harm. */
export interface State {
  readonly schema: 'kpropctl.state/1';
  readonly generation: number;
  /** The generation of the canary's first key, less one; and its newest key. */
  readonly canary: { readonly base: number; readonly kvno: number };
  readonly dump?: DumpState;
  readonly replicas: Readonly<Record<string, ReplicaState>>;
  readonly holds: Readonly<Record<string, Hold>>;
  /** New replicas for which a kit was made, and when, until the first propagation to them. */
  readonly expected?: Readonly<Record<string, string>>;
  /** Whether the last run left a required replica behind: then a recovery is told. */
  readonly failing?: boolean;
}

/** Whether this is the first propagation to a replica for which a kit was made. */
export function isExpected(host: string, { expected = {} }: Pick<State, 'expected'>): boolean {
  const name = host.toLowerCase();
  return Object.keys(expected).some((each) => isSameHost(each.toLowerCase(), name));
}

export const emptyState: State = {
  schema: 'kpropctl.state/1',
  generation: 0,
  canary: { base: 0, kvno: 0 },
  replicas: {},
  holds: {},
};

const pathIn = (folder: string) => join(folder, 'state.json');

/** The state; an empty one if there is none. `onTrouble` hears why it cannot be used. */
export function readState(folder: string, onTrouble: (text: string) => void): State {
  const path = pathIn(folder);
  try {
    const { uid } = statSync(path);
    if (uid !== process.geteuid?.()) {
      onTrouble(`${path} belongs to another user (${uid}): it is ignored, and written anew`);
      return emptyState;
    }
    const state: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isState(state)) return { ...emptyState, ...state };
    onTrouble(`${path} is not a state of kpropctl: it is ignored, and written anew`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') onTrouble(`${path} cannot be read (${code ?? message}): it is ignored`);
  }
  return emptyState;
}

function isState(value: unknown): value is State {
  if (typeof value !== 'object' || value === null) return false;
  const { schema, generation, replicas, canary } = value as State;
  return (
    schema === emptyState.schema &&
    Number.isSafeInteger(generation) &&
    typeof replicas === 'object' &&
    typeof canary === 'object'
  );
}

/**
 * Changes the state as it is at this moment, of which nobody may bring back an older one that he has
 * held for a while: runs, probes, holds and kits change their parts of it side by side. A state that
 * cannot be written stops nothing: `onTrouble` hears of it. @returns the changed state
 */
export async function updateState(
  folder: string,
  change: (state: State) => State,
  onTrouble: (text: string) => void,
): Promise<State> {
  let lock: number | undefined;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    lock = await lockIn(folder, 'state.lock', { waitMillis: 10_000, pauseMillis: 10 });
  } catch {
    // The folder cannot be written, of which the write will tell.
  }
  try {
    const state = change(readState(folder, onTrouble));
    try {
      await replaceOwnFile(pathIn(folder), `${JSON.stringify(state, undefined, 2)}\n`);
    } catch (error) {
      onTrouble(`${pathIn(folder)} cannot be written (${(error as NodeJS.ErrnoException).code})`);
    }
    return state;
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

import { constants, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { replaceOwnFile } from '../../host/own-file.ts';

/** What a replica remembers across propagations and processes. Times: ISO 8601, UTC. */
export interface ReplicaState {
  /** The propagation whose database is live. */
  readonly lastLoaded?: {
    readonly client: string;
    /** The authenticator's time, by the clock of the client and its KDC. */
    readonly authenticated: string;
    /** When it became live, by our clock. */
    readonly at: string;
    readonly bytes: number;
  };
  /** For each client the authenticator's time of its newest propagation that was loaded. */
  readonly newest?: Readonly<Record<string, string>>;
  /** The last database that was written natively and compared by kdb5_util. */
  readonly judged?: Judgement;
}

/** What was judged last, as it is kept in the state file. */
export interface Judgement {
  readonly version: string;
  /** kdb5_util: path, size and time. */
  readonly program: string;
  /** The first line of the dump, without the numbers of a resync dump. */
  readonly header: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** How many loads there were since. */
  readonly loads: number;
}

const sizeLimitBytes = 64 * 1024;

/**
 * The state in a file; empty if there is no file. Unknown keys are kept.
 * @throws spool.state if it cannot be read or is not a file of ours
 */
export async function readState(path: string): Promise<ReplicaState> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  try {
    const file = await open(path, flags);
    try {
      const { size, uid } = await file.stat();
      if (uid !== process.geteuid?.()) throw unusable(path, 'EPERM');
      if (size > sizeLimitBytes) throw unusable(path, 'EFBIG');
      const state: unknown = JSON.parse(await file.readFile('utf8'));
      if (!isState(state)) throw unusable(path, 'EINVAL');
      return state;
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof KpropError) throw cause;
    const errno = errnoOf(cause) || 'EINVAL';
    if (errno === 'ENOENT') return {};
    throw unusable(path, errno, cause);
  }
}

function isState(value: unknown): value is ReplicaState {
  if (typeof value !== 'object' || value === null) return false;
  const { newest } = value as ReplicaState;
  return newest === undefined || (typeof newest === 'object' && newest !== null);
}

/** Replaces the file as a whole, for its owner alone. @throws spool.state */
export async function writeState(path: string, state: ReplicaState): Promise<void> {
  try {
    await replaceOwnFile(path, `${JSON.stringify(state, undefined, 2)}\n`);
  } catch (cause) {
    throw unusable(path, errnoOf(cause), cause);
  }
}

/** Such as 2026-11-22T13:47:19.516321Z. */
export function isoMicros(micros: number): string {
  const below = String(micros % 1000).padStart(3, '0');
  return new Date(Math.floor(micros / 1000)).toISOString().replace('Z', `${below}Z`);
}

/** The reverse of `isoMicros`; undefined for anything else. */
export function microsOf(text: unknown): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})(\d{3})Z$/.exec(String(text));
  if (parts === null) return undefined;
  const millis = Date.parse(`${parts[1]}Z`);
  return Number.isNaN(millis) ? undefined : millis * 1000 + Number(parts[2]);
}

function unusable(path: string, errno: string, cause?: unknown): KpropError {
  return new KpropError('spool.state', { path, errno }, { cause });
}

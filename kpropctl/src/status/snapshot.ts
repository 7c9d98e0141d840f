import { hostname } from 'node:os';

import type { Krb5Config } from 'kprop';

import type { Settings } from '../config/settings.ts';
import { Canary } from '../run/canary.ts';
import {
  type DumpState,
  type ErrorNote,
  type Hold,
  isHeld,
  type ReplicaState,
  type State,
} from '../state/state.ts';

export interface ReplicaStatus {
  readonly host: string;
  readonly state: 'ok' | 'behind' | 'failing' | 'held' | 'unknown';
  readonly required: boolean;
  readonly has: number | null;
  /** Whether `has` is what its own KDC proved. */
  readonly proved: boolean;
  /** Since when it lacks something, in milliseconds; 0 if it lacks nothing; null if nobody knows. */
  readonly behindMillis: number | null;
  readonly lastSuccess: string | null;
  readonly lastAttempt: string | null;
  /** How long the last success took, what was sent, and milliseconds by phase. */
  readonly millis: number | null;
  readonly bytes: number | null;
  readonly phases: Readonly<Record<string, number>>;
  /** Generations that it lacks; null if nobody knows. */
  readonly behindGenerations: number | null;
  /** Since the first run. */
  readonly attempts: number;
  readonly failuresByCode: Readonly<Record<string, number>>;
  /** Runs in a row. */
  readonly failures: number;
  readonly failingSince: string | null;
  readonly error: ErrorNote | null;
  readonly hold: Hold | null;
}

/** The contract of `status --json`; the table, the metrics and Nagios's line come from it as well. */
export interface Status {
  readonly schema: 'kpropctl.status/1';
  readonly realm: string;
  readonly primary: string;
  readonly generation: number;
  readonly at: string;
  readonly dump: DumpState | null;
  readonly replicas: readonly ReplicaStatus[];
}

/** How all replicas stand by what is remembered. */
export function statusOf(settings: Settings, state: State, now = new Date()): Status {
  return {
    schema: 'kpropctl.status/1',
    realm: settings.realm,
    primary: settings.primary ?? hostname(),
    generation: state.generation,
    at: now.toISOString(),
    dump: state.dump ?? null,
    replicas: settings.replicas.map((replica) => {
      const known = state.replicas[replica.host] ?? {};
      const hold = state.holds[replica.host];
      const wanted = state.dump?.generation;
      const has = known.has ?? null;
      const isBehind = wanted !== undefined && (has === null || has < wanted);
      const failures = known.failures ?? 0;
      return {
        host: replica.host,
        required: replica.required,
        state: isHeld(hold, now.getTime())
          ? 'held'
          : failures > 0
            ? 'failing'
            : wanted === undefined || known.lastAttempt === undefined
              ? 'unknown'
              : isBehind
                ? 'behind'
                : 'ok',
        has,
        proved: known.proved ?? false,
        behindMillis: behindMillis(known.lastSuccess, isBehind || failures > 0, now),
        lastSuccess: known.lastSuccess ?? null,
        lastAttempt: known.lastAttempt ?? null,
        millis: known.millis ?? null,
        bytes: known.bytes ?? null,
        phases: known.phases ?? {},
        behindGenerations: wanted === undefined || has === null ? null : Math.max(0, wanted - has),
        attempts: known.attempts ?? 0,
        failuresByCode: known.failuresByCode ?? {},
        failures,
        failingSince: failures > 0 ? (known.failingSince ?? null) : null,
        error: known.error ?? null,
        hold: isHeld(hold, now.getTime()) ? hold : null,
      };
    }),
  };
}

function behindMillis(
  lastSuccess: string | undefined,
  isBehind: boolean,
  now: Date,
): number | null {
  if (!isBehind) return 0;
  return lastSuccess === undefined ? null : Math.max(0, now.getTime() - Date.parse(lastSuccess));
}

/** What a replica's own KDC says: the generation that it has, or no answer. */
type Found = Pick<ReplicaState, 'has' | 'proved'>;

/** What the replicas' own KDCs say now, by host. */
export async function probed(
  settings: Settings,
  krb5: Krb5Config,
  state: State,
  environment: NodeJS.ProcessEnv,
): Promise<ReadonlyMap<string, Found>> {
  if (settings.proof === undefined) return new Map();
  const canary = new Canary(settings, krb5, environment);
  const found = settings.replicas.map(async (replica) => {
    const has = await canary.generationAt(replica, state).then(
      ({ generation, proved }): Found => ({ has: generation, proved }),
      (): Found => ({ proved: false }),
    );
    return [replica.host, has] as const;
  });
  return new Map(await Promise.all(found));
}

/** The state with that; what a run has found out since `before` was read is newer, and stays. */
export function withFound(
  now: State,
  { before, found }: { readonly before: State; readonly found: ReadonlyMap<string, Found> },
): State {
  const replicas = { ...now.replicas };
  for (const [host, has] of found) {
    if (replicas[host]?.lastAttempt !== before.replicas[host]?.lastAttempt) continue;
    replicas[host] = { ...replicas[host], ...has };
  }
  return { ...now, replicas };
}

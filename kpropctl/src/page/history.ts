import type { ReplicaReport, RunReport } from '../run/report.ts';
import type { JournalEntry } from '../state/journal.ts';
import type { ErrorNote } from '../state/state.ts';

/** What one run was for one replica. */
export interface PastRun {
  readonly at: string;
  readonly generation: number;
  readonly state: ReplicaReport['state'];
  readonly attempts: number;
  readonly bytes: number;
  readonly millis: number;
  readonly error: ErrorNote | null;
}

/** Why the newest run sent nothing; null if it sent, or had nothing to send. */
export function refusalOf(entries: readonly JournalEntry[]): ErrorNote | null {
  const run = entries.at(-1)?.run as Partial<RunReport> | undefined;
  return noteIn(run?.refused ?? run?.dump?.refused);
}

/** The newest runs of each replica, oldest first. Nothing in the journal is trusted to be what it should. */
export function pastRunsOf(
  entries: readonly JournalEntry[],
  most: number,
): ReadonlyMap<string, readonly PastRun[]> {
  const all = new Map<string, PastRun[]>();
  for (const { at, run } of entries) {
    for (const replica of run.replicas as readonly (Partial<ReplicaReport> | null)[]) {
      if (typeof replica?.host !== 'string' || !isState(replica.state)) continue;
      const runs = all.get(replica.host) ?? [];
      all.set(replica.host, runs);
      const { attempts, bytes, millis } = replica;
      runs.push({
        ...{ at, state: replica.state, generation: number(run.generation) },
        ...{ attempts: number(attempts), bytes: number(bytes), millis: number(millis) },
        error: noteIn(replica.error),
      });
    }
  }
  return new Map([...all].map(([host, runs]) => [host, runs.slice(-most)]));
}

const states: readonly unknown[] = ['current', 'failed', 'held', 'skipped'];
const isState = (value: unknown): value is ReplicaReport['state'] => states.includes(value);

const number = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0;

function noteIn(value: unknown): ErrorNote | null {
  if (typeof value !== 'object' || value === null) return null;
  const { code, phase, message, remedy } = value as Partial<Record<keyof ErrorNote, unknown>>;
  const text = (one: unknown) => (typeof one === 'string' ? one : '');
  return {
    ...{ code: text(code), phase: typeof phase === 'string' ? phase : null },
    ...{ message: text(message), remedy: text(remedy) },
  };
}

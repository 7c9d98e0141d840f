import { isExpected, type ReplicaState, type State } from '../state/state.ts';
import { exits, type ReplicaReport, type RunReport } from './report.ts';

/** What is remembered after a run. */
export function stateAfter(before: State, report: RunReport): State {
  const at = new Date().toISOString();
  const replicas: Record<string, ReplicaState> = { ...before.replicas };
  for (const replica of report.replicas) {
    const { host, state, has, proved, millis, bytes, phases, error } = replica;
    if (state === 'held' || (state === 'skipped' && error === null)) continue;
    const old = before.replicas[host] ?? {};
    if (state === 'current') {
      replicas[host] = {
        ...{ lastAttempt: at, lastSuccess: at, millis, bytes, phases, failures: 0 },
        ...totalsAfter(old, replica),
        has: has ?? report.generation,
        proved: proved === true,
      };
    } else {
      const known = has === null ? {} : { has, proved: true };
      replicas[host] = {
        ...old,
        ...known,
        ...totalsAfter(old, replica),
        lastAttempt: at,
        failures: (old.failures ?? 0) + 1,
        failingSince: old.failures ? (old.failingSince ?? at) : at,
        ...(error === null ? {} : { error }),
      };
    }
  }
  const expected = Object.entries(before.expected ?? {}).filter(
    ([host]) =>
      !report.replicas.some(
        (each) => each.state === 'current' && isExpected(each.host, { expected: { [host]: '' } }),
      ),
  );
  const { dump } = report;
  const good = dump !== null && dump.refused === null;
  return {
    ...before,
    generation: Math.max(before.generation, report.generation),
    replicas,
    expected: Object.fromEntries(expected),
    ...(good && {
      dump: {
        // What has not changed is what it was: a replica that has it is not behind.
        generation: dump.unchanged
          ? (before.dump?.generation ?? report.generation)
          : report.generation,
        ...{ at, principals: dump.principals },
        ...{ bytes: dump.bytes, digest: dump.digest },
      },
    }),
    failing: report.exit !== exits.allCurrent,
  };
}

/** What is counted from the first run on. */
function totalsAfter(
  { attempts = 0, failuresByCode = {} }: ReplicaState,
  report: ReplicaReport,
): Pick<ReplicaState, 'attempts' | 'failuresByCode'> {
  const { state, error } = report;
  const code = state === 'failed' ? error?.code : undefined;
  const more = code === undefined ? {} : { [code]: (failuresByCode[code] ?? 0) + 1 };
  return { attempts: attempts + report.attempts, failuresByCode: { ...failuresByCode, ...more } };
}

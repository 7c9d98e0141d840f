import { Counter, Gauge, Registry } from 'prom-client';

import type { ReplicaStatus, Status } from './snapshot.ts';

/** What Prometheus gets: the same snapshot as the table. */
export async function openMetrics(status: Status): Promise<string> {
  const registry = new Registry<'application/openmetrics-text; version=1.0.0; charset=utf-8'>();
  registry.setContentType('application/openmetrics-text; version=1.0.0; charset=utf-8');
  registry.setDefaultLabels({ realm: status.realm });
  const gauge = (name: string, help: string, labelNames: readonly string[] = ['replica']) =>
    new Gauge({
      name: `kpropctl_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
    });
  gauge('up', 'Whether kpropctl answers.', []).set(1);
  gauge('generation', 'The last generation that this primary has made.', []).set(status.generation);
  const { dump } = status;
  if (dump !== null) {
    gauge('dump_principals', 'Principals in the last good dump.', []).set(dump.principals);
    gauge('dump_bytes', 'Size of the last good dump.', []).set(dump.bytes);
    gauge('dump_time_seconds', 'When it was made, in seconds since 1970.', []).set(
      Date.parse(dump.at) / 1000,
    );
  }
  const has = gauge('replica_generation', 'The generation that a replica was last known to have.');
  const proved = gauge('replica_proved', 'Whether its own KDC proved that.');
  const up = gauge('replica_up', 'Whether the last propagation to it succeeded.');
  const held = gauge('replica_held', 'Whether it is held.');
  const behind = gauge('replica_behind_seconds', 'For how long it has lacked something.');
  const success = gauge('replica_last_success_seconds', 'When, in seconds since 1970.');
  const failures = gauge('replica_failures', 'Runs in a row that failed for it.');
  const took = gauge(
    'replica_duration_seconds',
    'How long the last propagation took that succeeded.',
  );
  const lacks = gauge('replica_generations_behind', 'How many generations it lacks.');
  const age = gauge('replica_since_success_seconds', 'How long ago the last success was.');
  const bytes = gauge('replica_bytes', 'What was sent in the last propagation that succeeded.');
  const phase = gauge('replica_phase_seconds', 'Of that propagation, by phase.', [
    ...['replica', 'phase'],
  ]);
  for (const replica of status.replicas) {
    const labels = { replica: replica.host };
    if (replica.behindGenerations !== null) lacks.set(labels, replica.behindGenerations);
    if (replica.bytes !== null) bytes.set(labels, replica.bytes);
    for (const [name, millis] of Object.entries(replica.phases)) {
      phase.set({ ...labels, phase: name }, millis / 1000);
    }
    if (replica.lastSuccess !== null) {
      const millis = Date.parse(status.at) - Date.parse(replica.lastSuccess);
      age.set(labels, Math.max(0, millis / 1000));
    }
    up.set(labels, replica.failures === 0 && replica.lastSuccess !== null ? 1 : 0);
    proved.set(labels, replica.proved ? 1 : 0);
    held.set(labels, replica.state === 'held' ? 1 : 0);
    failures.set(labels, replica.failures);
    if (replica.has !== null) has.set(labels, replica.has);
    if (replica.behindMillis !== null) behind.set(labels, replica.behindMillis / 1000);
    if (replica.lastSuccess !== null) success.set(labels, Date.parse(replica.lastSuccess) / 1000);
    if (replica.millis !== null) took.set(labels, replica.millis / 1000);
  }
  countAttempts(registry, status.replicas);
  return registry.metrics();
}

function countAttempts(
  registry: Registry<'application/openmetrics-text; version=1.0.0; charset=utf-8'>,
  replicas: readonly ReplicaStatus[],
): void {
  const counter = (name: string, help: string, labelNames: readonly string[]) =>
    new Counter({
      name: `kpropctl_${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
    });
  const attempts = counter('replica_attempts', 'Attempts to propagate to it.', ['replica']);
  const failures = counter('replica_errors', 'Runs that failed for it, by the code of the error.', [
    ...['replica', 'code'],
  ]);
  for (const { host: replica, attempts: number, failuresByCode } of replicas) {
    attempts.inc({ replica }, number);
    for (const [code, count] of Object.entries(failuresByCode)) {
      failures.inc({ replica, code }, count);
    }
  }
}

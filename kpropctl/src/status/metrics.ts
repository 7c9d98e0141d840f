import { Gauge, Registry } from 'prom-client';

import type { Status } from './snapshot.ts';

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
  for (const replica of status.replicas) {
    const labels = { replica: replica.host };
    up.set(labels, replica.failures === 0 && replica.lastSuccess !== null ? 1 : 0);
    proved.set(labels, replica.proved ? 1 : 0);
    held.set(labels, replica.state === 'held' ? 1 : 0);
    failures.set(labels, replica.failures);
    if (replica.has !== null) has.set(labels, replica.has);
    if (replica.behindMillis !== null) behind.set(labels, replica.behindMillis / 1000);
    if (replica.lastSuccess !== null) success.set(labels, Date.parse(replica.lastSuccess) / 1000);
    if (replica.millis !== null) took.set(labels, replica.millis / 1000);
  }
  return registry.metrics();
}

import type { Lab } from '../test/support/lab/lab.ts';
import type { SyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import type { ReceiversSettings, SendersReport, SendersSettings } from './fan-out-roles.ts';
import { type Bench, median, megabytes, type Part, rate, times } from './part.ts';
import { touchMemory } from './propagation.ts';
import { startRole } from './roles.ts';
import { table } from './table.ts';

const widths = [1, 10, 50];
const widest = 50;

/** Many propagations from one process; the replicas live in another one, each with its own file. */
export const fanOut: Part = {
  name: 'fan-out',
  about: `${widths.join(', ')} propagations at once from one process, wire only`,
  async measure(bench) {
    const lab = await bench.lab();
    // The widest sends five times as much as the other parts; the single one as much as they.
    const each = await bench.dump(Math.ceil(bench.principals / 10));
    const whole = await bench.dump(bench.principals);
    const replicas = await startReplicas(lab);
    try {
      const kinds = [
        { width: 1, shared: false, dump: whole },
        ...widths.flatMap((width) =>
          [false, true].map((shared) => ({ width, shared, dump: each })),
        ),
      ];
      const reports = kinds.map((): SendersReport[] => []);
      for (let round = 1; round <= bench.rounds; round += 1) {
        for (const [at, { width, shared, dump }] of kinds.entries()) {
          touchMemory(lab, Math.min(width * dump.bytes * 2, 3e9));
          reports[at]?.push(await send(lab, dump, replicas.ports.slice(0, width), shared));
        }
      }
      const rows = kinds.map(({ width, shared, dump }, at) => {
        const seconds = median((reports[at] ?? []).map((report) => report.seconds));
        const cpuSeconds = median((reports[at] ?? []).map((report) => report.cpuSeconds));
        const peakBytes = Math.max(...(reports[at] ?? []).map((report) => report.peakBytes));
        const bytes = width * dump.bytes;
        return { width, shared, bytes, seconds, cpuSeconds, peakBytes };
      });
      tell(bench, rows);
      const alone = rows[0] as (typeof rows)[number];
      const all = rows.at(-1) as (typeof rows)[number];
      const ratio = all.bytes / all.seconds / (alone.bytes / alone.seconds);
      return {
        raw: { rows, reports },
        figures: [
          {
            what: `${widest} at once, total throughput, against one alone`,
            result: times(ratio),
            ours: rate(all.bytes / all.seconds),
            against: rate(alone.bytes / alone.seconds),
            target: '≥ 1 ×',
            met: ratio >= 1,
          },
          {
            what: `${widest} at once, peak memory of the sender`,
            result: megabytes(all.peakBytes),
            target: '≤ 250 MB',
            met: all.peakBytes <= 250e6,
          },
        ],
      };
    } finally {
      await replicas.end();
    }
  },
};

async function startReplicas(lab: Lab) {
  const settings: ReceiversSettings = {
    count: widest,
    realm: lab.realm,
    krb5Conf: lab.replica.krb5Conf,
    keytab: lab.replica.keytab,
    acl: lab.replica.acl,
  };
  const role = startRole('receivers', settings);
  const ports: number[] = JSON.parse(await role.line());
  return { ports, end: () => role.end() };
}

async function send(
  lab: Lab,
  dump: SyntheticDump,
  ports: readonly number[],
  shared: boolean,
): Promise<SendersReport> {
  const { krb5Conf, keytab } = lab.primary;
  const settings: SendersSettings = { ports, dump: dump.path, krb5Conf, keytab, shared };
  const role = startRole('senders', settings);
  const report = JSON.parse(await role.line());
  await role.end();
  return report;
}

function tell(
  bench: Bench,
  rows: readonly (SendersReport & { width: number; shared: boolean; bytes: number })[],
): void {
  bench.say(
    table([
      ['at once', 'dump read', 'total', 'time', 'rate', 'CPU', 'CPU per GB', 'peak'],
      ...rows.map((row) => [
        String(row.width),
        row.shared ? 'once' : 'by each',
        megabytes(row.bytes),
        `${row.seconds.toFixed(2)} s`,
        rate(row.bytes / row.seconds),
        `${row.cpuSeconds.toFixed(2)} s`,
        `${(row.cpuSeconds / (row.bytes / 1e9)).toFixed(2)} s`,
        megabytes(row.peakBytes),
      ]),
    ]),
  );
}

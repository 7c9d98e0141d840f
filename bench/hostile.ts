import type { Lab } from '../test/support/lab/lab.ts';
import type { Make } from '../test/support/lab/make.ts';
import { peakResidentBytes } from '../test/support/lab/process-status.ts';
import type { SyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import type { AttackersSettings, FarAwaySettings } from './hostile-roles.ts';
import { type Bench, type Figure, median, megabytes, type Part, seconds, times } from './part.ts';
import { startRole } from './roles.ts';
import { table } from './table.ts';

const principals = 2000;
const delayMillis = 50;
const makes = ['ours', 'mit'] as const;

/** The connections that somebody makes who wants to shut the primary out. */
type Hostility = Omit<AttackersSettings, 'port'>;

const floods: readonly Hostility[] = [1, 100].flatMap((addresses) =>
  (['silent', 'garbage', 'worst AP-REQ'] as const).map((attack) => ({
    attack,
    addresses,
    perSecond: 1000,
    atOnce: 0,
  })),
);
const crowd: readonly Hostility[] = (['silent', 'dribbling'] as const).map((attack) => ({
  attack,
  addresses: 100,
  perSecond: 0,
  atOnce: 500,
}));

interface Row {
  readonly what: string;
  readonly attempts: number;
  readonly failures: readonly string[];
  readonly seconds: Readonly<Record<Make, number>>;
  readonly peakBytes: number;
  readonly logBytes: number;
  readonly connections: number;
}

/** Propagations from 100 ms away, while others do what they can against it. */
export const hostile: Part = {
  name: 'hostile',
  about: 'propagations from 100 ms away under 1,000 hostile connections a second',
  onRequest: true,
  async measure(bench) {
    const lab = await bench.lab();
    const dump = await bench.dump(principals);
    const usual = await measure(bench, lab, dump, 'nobody', []);
    const rows = [usual];
    for (const one of floods) {
      const what = `1,000 a second, ${one.attack}, ${one.addresses} addresses`;
      rows.push(await measure(bench, lab, dump, what, [one]));
    }
    const many = await measure(bench, lab, dump, '500 silent and 500 dribbling', crowd);
    rows.push(many);
    bench.say(
      table([
        ['against it', 'failed', 'ours', "MIT's", 'peak', 'log', 'connections'],
        ...rows.map((row) => [
          row.what,
          `${row.failures.length} of ${row.attempts}`,
          seconds(row.seconds.ours),
          seconds(row.seconds.mit),
          megabytes(row.peakBytes),
          megabytes(row.logBytes),
          `${row.connections}`,
        ]),
      ]),
    );
    return {
      raw: rows,
      figures: rows.slice(1).flatMap((row) => figuresOf(row, usual, row === many ? 1.2 : 2)),
    };
  },
};

function figuresOf(row: Row, usual: Row, limit: number): readonly Figure[] {
  const slowest = Math.max(...makes.map((make) => row.seconds[make] / usual.seconds[make]));
  const more = row.peakBytes - usual.peakBytes;
  return [
    {
      what: `${row.what}: failed propagations`,
      result: `${row.failures.length} of ${row.attempts}`,
      target: '0',
      met: row.failures.length === 0,
    },
    {
      what: `${row.what}: time`,
      result: times(slowest),
      ours: seconds(row.seconds.ours),
      against: seconds(usual.seconds.ours),
      target: `≤ ${limit} ×`,
      met: slowest <= limit,
    },
    {
      what: `${row.what}: memory`,
      result: megabytes(more),
      target: '≤ 50 MB more',
      met: more <= 50e6,
    },
    {
      what: `${row.what}: log`,
      result: megabytes(row.logBytes),
      target: '≤ 1 MB',
      met: row.logBytes <= 1e6,
    },
  ];
}

/** Propagations by turns with our kprop and with MIT's, as long as the bench has time for it. */
async function measure(
  bench: Bench,
  lab: Lab,
  dump: SyntheticDump,
  what: string,
  hostility: readonly Hostility[],
): Promise<Row> {
  const kpropd = await lab.startOurKpropd();
  const { port } = kpropd;
  const far = startRole('farAway', { port, delayMillis } satisfies FarAwaySettings);
  const farPort = Number(await far.line());
  const attackers = hostility.map((one) =>
    startRole('attackers', { ...one, port } satisfies AttackersSettings),
  );
  for (const one of attackers) await one.line();
  const samples: Record<Make, number[]> = { ours: [], mit: [] };
  const failures: string[] = [];
  let attempts = 0;
  // The first propagation is from an address that the replica does not know yet.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const end = performance.now() + bench.seconds * 1000;
  while (performance.now() < end || attempts < 4) {
    const make = makes[attempts % 2] as Make;
    attempts += 1;
    const begin = performance.now();
    const o = { port: farPort, file: dump.path };
    const { status, stderr } = await (make === 'mit' ? lab.mitKprop(o) : lab.ourKprop(o));
    if (status === 0) samples[make].push((performance.now() - begin) / 1000);
    else failures.push(`${make}: ${stderr}`);
  }
  let connections = 0;
  for (const one of attackers) {
    const [line] = await Promise.all([one.line(), one.end()]);
    connections += Number(line);
  }
  const peakBytes = peakResidentBytes(kpropd.process.pid);
  const logBytes = Buffer.byteLength(kpropd.stderr);
  await kpropd.stop();
  await far.end();
  for (const failure of failures) bench.say(`  ${what}: ${failure.trim()}`);
  const row: Row = {
    what,
    attempts,
    failures,
    seconds: { ours: median(samples.ours), mit: median(samples.mit) },
    peakBytes,
    logBytes,
    connections,
  };
  bench.say(
    `${what}: ${failures.length} of ${attempts} failed, ${seconds(row.seconds.ours)} and ${seconds(row.seconds.mit)}`,
  );
  return row;
}

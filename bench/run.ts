/**
 * Measures propagation against MIT's own programs: the same dump, the same realm, the two makes by
 * turns in one run, because machines are noisy. Arguments: principals (1000000), rounds (5).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Lab, packageRoot } from '../test/support/lab.ts';
import { makeSyntheticDump } from '../test/support/synthetic-dump.ts';
import { watchPeakMemory } from './memory.ts';

type Make = 'MIT' | 'ours';

interface Pairing {
  readonly kprop: Make;
  readonly kpropd: Make;
}

interface Sample {
  readonly seconds: number;
  readonly kpropBytes: number;
  readonly kpropdBytes: number;
}

const pairings: readonly Pairing[] = [
  { kprop: 'MIT', kpropd: 'MIT' },
  { kprop: 'ours', kpropd: 'ours' },
  { kprop: 'MIT', kpropd: 'ours' },
  { kprop: 'ours', kpropd: 'MIT' },
];

await main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 5));

async function main(principals: number, rounds: number): Promise<void> {
  const lab = await Lab.create();
  try {
    const basedOn = readFileSync(await lab.dump(), 'latin1');
    const dump = makeSyntheticDump(join(lab.folder, 'dump'), principals, { basedOn });
    console.log(
      `${principals} principals, ${megabytes(dump.bytes)} MB, ${lab.enctype}, ${rounds} rounds, ` +
        `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`,
    );
    console.log('wire only: the loader is replaced by "true"; kprop from its start to its end\n');

    const samples = new Map<Pairing, Sample[]>(pairings.map((pairing) => [pairing, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const pairing of pairings) {
        const sample = await propagateOnce(lab, pairing, dump.path);
        samples.get(pairing)?.push(sample);
        console.log(`  round ${round}  ${nameOf(pairing)}  ${sample.seconds.toFixed(2)} s`);
      }
    }
    const rows = pairings.map((pairing) => summary(pairing, samples.get(pairing)!, dump.bytes));
    report(rows);
    const folder = join(packageRoot, 'bench', 'results');
    mkdirSync(folder, { recursive: true });
    const result = { principals, bytes: dump.bytes, rounds, node: process.version, rows };
    writeFileSync(join(folder, 'wire.json'), `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await lab.close();
  }
}

async function propagateOnce(lab: Lab, pairing: Pairing, file: string): Promise<Sample> {
  const start = (make: Make) =>
    make === 'MIT' ? lab.startMitKpropd.bind(lab) : lab.startOurKpropd.bind(lab);
  // One propagation for each kpropd (-t): MIT's receives in a child of its own.
  const kpropd = await start(pairing.kpropd)({ loader: '/bin/true' });
  try {
    const [program, before] =
      pairing.kprop === 'MIT'
        ? ['/usr/sbin/kprop', []]
        : [process.execPath, [join(packageRoot, 'dist/bin/kprop.js')]];
    const started = performance.now();
    const kprop = lab.start(program, [...before, ...lab.kpropArgs({ port: kpropd.port, file })], {
      limitMillis: 600_000,
    });
    const memory = [kprop.pid, kpropd.process.pid].map(watchPeakMemory);
    const outcome = await kprop.ended;
    const seconds = (performance.now() - started) / 1000;
    if (outcome.status !== 0) throw new Error(`${nameOf(pairing)}: ${outcome.stderr}`);
    const [kpropBytes = 0, kpropdBytes = 0] = memory.map((watch) => watch.stop());
    return { seconds, kpropBytes, kpropdBytes };
  } finally {
    await kpropd.stop();
  }
}

function summary(pairing: Pairing, samples: readonly Sample[], bytes: number) {
  const seconds = median(samples.map((sample) => sample.seconds));
  return {
    pairing: nameOf(pairing),
    seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    kpropPeakMegabytes: Math.max(...samples.map((sample) => sample.kpropBytes)) / 1e6,
    kpropdPeakMegabytes: Math.max(...samples.map((sample) => sample.kpropdBytes)) / 1e6,
  };
}

function report(rows: readonly ReturnType<typeof summary>[]): void {
  const mit = rows[0]?.megabytesPerSecond ?? 1;
  console.log('\n  median                     time     rate   against MIT   peak kprop   kpropd');
  for (const row of rows) {
    const cells = [
      row.pairing.padEnd(22),
      `${row.seconds.toFixed(2)} s`.padStart(8),
      `${row.megabytesPerSecond.toFixed(0)} MB/s`.padStart(9),
      `${(row.megabytesPerSecond / mit).toFixed(1)} ×`.padStart(10),
      `${row.kpropPeakMegabytes.toFixed(0)} MB`.padStart(12),
      `${row.kpropdPeakMegabytes.toFixed(0)} MB`.padStart(8),
    ];
    console.log(`  ${cells.join('')}`);
  }
}

function nameOf({ kprop, kpropd }: Pairing): string {
  return `${kprop} kprop → ${kpropd} kpropd`.padEnd(22);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

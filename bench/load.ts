/**
 * Measures whole propagations with the real load, by turns in one run: kdb5_util alone, MIT's
 * programs, and ours, which load while they receive. Arguments: principals (1000000), rounds (3).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { comparable, Lab, packageRoot } from '../test/support/lab.ts';
import { makeSyntheticDump } from '../test/support/synthetic-dump.ts';
import { watchPeakMemory } from './memory.ts';

const ways = ['kdb5_util load', 'MIT → MIT', 'ours → ours'] as const;
type Way = (typeof ways)[number];

await main(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 3));

async function main(principals: number, rounds: number): Promise<void> {
  const lab = await Lab.create();
  try {
    const basedOn = readFileSync(await lab.dump(), 'latin1');
    const dump = makeSyntheticDump(join(lab.folder, 'dump'), principals, { basedOn });
    const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`;
    console.log(`${principals} principals, ${(dump.bytes / 1e6).toFixed(1)} MB, ${machine}\n`);
    const seconds = new Map<Way, number[]>(ways.map((way) => [way, []]));
    let kpropdBytes = 0;
    for (let round = 1; round <= rounds; round += 1) {
      for (const way of ways) {
        const sample = await once(lab, way, dump.path);
        seconds.get(way)?.push(sample.seconds);
        kpropdBytes = Math.max(kpropdBytes, sample.kpropdBytes);
        console.log(`  round ${round}  ${way.padEnd(16)} ${sample.seconds.toFixed(2)} s`);
      }
    }
    const [bare, mit, ours] = ways.map((way) => median(seconds.get(way) ?? [])) as [
      number,
      number,
      number,
    ];
    const result = { bare, mit, ours, ofMit: ours / mit, ofBare: ours / bare, kpropdBytes };
    console.log(
      `\n  median: ours ${ours.toFixed(2)} s is ${result.ofMit.toFixed(2)} of MIT's ${mit.toFixed(2)} s, ` +
        `${result.ofBare.toFixed(2)} of the bare load's ${bare.toFixed(2)} s; ` +
        `our kpropd at most ${(kpropdBytes / 1e6).toFixed(0)} MB`,
    );
    const same =
      comparable(await lab.replicaDump()) === comparable(readFileSync(dump.path, 'latin1'));
    console.log(`  the replica's database ${same ? 'is' : 'IS NOT'} the dump`);
    const folder = join(packageRoot, 'bench', 'results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'load.json'), `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await lab.close();
  }
}

async function once(lab: Lab, way: Way, file: string) {
  const kpropd =
    way === 'kdb5_util load'
      ? undefined
      : await (way === 'MIT → MIT' ? lab.startMitKpropd() : lab.startOurKpropd());
  const started = performance.now();
  if (kpropd === undefined) {
    await lab.load(file);
    return { seconds: (performance.now() - started) / 1000, kpropdBytes: 0 };
  }
  try {
    const memory = watchPeakMemory(kpropd.process.pid);
    const o = { port: kpropd.port, file, limitMillis: 600_000 };
    const outcome = await (way === 'MIT → MIT' ? lab.mitKprop(o) : lab.ourKprop(o));
    const seconds = (performance.now() - started) / 1000;
    if (outcome.status !== 0) throw new Error(`${way}: ${outcome.stderr}`);
    const peakBytes = memory.stop();
    return { seconds, kpropdBytes: way === 'ours → ours' ? peakBytes : 0 };
  } finally {
    await kpropd.stop();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

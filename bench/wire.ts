import { aesBytesPerSecond } from './limits.ts';
import { type Bench, type Figure, median, megabytes, type Part, rate, times } from './part.ts';
import {
  allMit,
  allOurs,
  cpuFigure,
  lineOf,
  mitToOurs,
  noLoad,
  oursToMit,
  type Pairing,
  propagateOnce,
  type Sample,
  summaryOf,
} from './propagation.ts';
import { table } from './table.ts';

const memoryLimitBytes = 120e6;

/** All four pairings by turns, without the load. */
export const wire: Part = {
  name: 'wire',
  about: 'the wire only: the loader is replaced by "true"',
  async measure(bench) {
    const lab = await bench.lab();
    const dump = await bench.dump(bench.principals);
    const aes: number[] = [];
    const pairings = [allMit, allOurs, mitToOurs, oursToMit];
    const samples = await byTurns(bench, pairings, async (pairing) => {
      if (pairing === allMit) aes.push(await aesBytesPerSecond());
      return await propagateOnce(lab, pairing, dump, noLoad);
    });
    const rows = pairings.map((pairing) => summaryOf(pairing, samples.get(pairing) ?? []));
    const [mit, ours, received, sent] = rows as [Row, Row, Row, Row];
    const throughput = (row: Row) => dump.bytes / row.seconds;
    bench.say(
      `\n${table([
        ['median', 'time', 'rate', 'CPU kprop', 'kpropd', 'peak kprop', 'kpropd'],
        ...rows.map((row) => [
          row.pairing,
          `${row.seconds.toFixed(2)} s`,
          rate(throughput(row)),
          `${row.kpropCpuSeconds.toFixed(2)} s`,
          `${row.kpropdCpuSeconds.toFixed(2)} s`,
          megabytes(row.kpropPeakBytes),
          megabytes(row.kpropdPeakBytes),
        ]),
      ])}`,
    );
    const against = (what: string, row: Row, least: number): Figure => {
      const ratio = mit.seconds / row.seconds;
      return {
        what,
        result: times(ratio),
        ours: rate(throughput(row)),
        against: rate(throughput(mit)),
        target: `≥ ${least} ×`,
        met: ratio >= least,
      };
    };
    const ofAes = throughput(ours) / median(aes);
    const peak = Math.max(
      ours.kpropPeakBytes,
      ours.kpropdPeakBytes,
      received.kpropdPeakBytes,
      sent.kpropPeakBytes,
    );
    return {
      raw: { bytes: dump.bytes, aesBytesPerSecond: aes, rows },
      figures: [
        against('wire, ours to ours, against MIT to MIT', ours, 6),
        cpuFigure('wire', mit, ours),
        {
          what: 'wire, ours to ours, against AES-256-CBC of OpenSSL',
          result: times(ofAes),
          ours: rate(throughput(ours)),
          against: rate(median(aes)),
          target: '≥ 0.5 ×',
          met: ofAes >= 0.5,
        },
        against('MIT kprop to our kpropd, against MIT to MIT', received, 1),
        against('our kprop to MIT kpropd, against MIT to MIT', sent, 1),
        {
          what: `peak memory of either side, ${megabytes(dump.bytes)}`,
          result: megabytes(peak),
          target: '≤ 120 MB',
          met: peak <= memoryLimitBytes,
        },
      ],
    };
  },
};

type Row = ReturnType<typeof summaryOf>;

/** Each pairing once a round: what the machine does meanwhile then hits all of them. */
export async function byTurns(
  bench: Bench,
  pairings: readonly Pairing[],
  measure: (pairing: Pairing) => Promise<Sample>,
): Promise<Map<Pairing, Sample[]>> {
  const samples = new Map<Pairing, Sample[]>(pairings.map((pairing) => [pairing, []]));
  for (let round = 1; round <= bench.rounds; round += 1) {
    for (const pairing of pairings) {
      const sample = await measure(pairing);
      samples.get(pairing)?.push(sample);
      bench.say(`  round ${round}  ${lineOf(pairing, sample)}`);
    }
  }
  return samples;
}

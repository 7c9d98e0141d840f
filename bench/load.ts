import { median, type Part, seconds, times } from './part.ts';
import {
  allMit,
  allOurs,
  lineOf,
  propagateOnce,
  type Sample,
  summaryOf,
  touchMemory,
} from './propagation.ts';

/** Whole propagations, with the real kdb5_util, and kdb5_util alone. */
export const load: Part = {
  name: 'load',
  about: 'the whole propagation, with the real load; and kdb5_util load alone',
  async measure(bench) {
    const lab = await bench.lab();
    const dump = await bench.dump(bench.principals);
    const bare: number[] = [];
    const samples = { mit: [] as Sample[], ours: [] as Sample[] };
    // The first load makes a database, every other replaces one: nobody is to be the first.
    await lab.load(await lab.dump());
    for (let round = 1; round <= bench.rounds; round += 1) {
      for (const [make, pairing] of [['mit', allMit] as const, ['ours', allOurs] as const]) {
        const sample = await propagateOnce(lab, pairing, dump);
        samples[make].push(sample);
        bench.say(`  round ${round}  ${lineOf(pairing, sample)}`);
      }
      touchMemory(lab, 3 * dump.bytes);
      const started = performance.now();
      await lab.load(dump.path);
      bare.push((performance.now() - started) / 1000);
      bench.say(`  round ${round}  ${'kdb5_util load'.padEnd(26)}${seconds(bare.at(-1) ?? 0)}`);
    }
    const mit = summaryOf(allMit, samples.mit);
    const ours = summaryOf(allOurs, samples.ours);
    const alone = median(bare);
    const figure = (what: string, other: number, most: number) => ({
      what,
      result: times(ours.seconds / other),
      ours: seconds(ours.seconds),
      against: seconds(other),
      target: `≤ ${most.toFixed(2)} ×`,
      met: ours.seconds / other <= most,
    });
    return {
      raw: { bytes: dump.bytes, mit, ours, bare },
      figures: [
        figure('whole propagation, against MIT to MIT', mit.seconds, 0.8),
        figure('whole propagation, against kdb5_util load alone', alone, 1.1),
      ],
    };
  },
};

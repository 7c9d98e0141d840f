import { median, megabytes, type Part, seconds, times } from './part.ts';
import {
  allMit,
  allOurs,
  lineOf,
  mitToOurs,
  noLoad,
  propagateOnce,
  type Sample,
  summaryOf,
  touchMemory,
} from './propagation.ts';

/** Whole propagations, with the real load; the wire alone; and kdb5_util alone. */
export const load: Part = {
  name: 'load',
  about: 'the whole propagation, with the real load; without it; and kdb5_util load alone',
  async measure(bench) {
    const lab = await bench.lab();
    const dump = await bench.dump(bench.principals);
    const bare: number[] = [];
    const samples = { mit: [], ours: [], mixed: [] } as Record<string, Sample[]>;
    const wire = { mit: [] as number[], ours: [] as number[] };
    // The first load makes a database, every other replaces one: nobody is to be the first.
    const small = await lab.dump();
    await lab.load(small);
    // The first native load of a host is judged by kdb5_util.
    await propagateOnce(lab, allOurs, { path: small, bytes: 0 });
    for (let round = 1; round <= bench.rounds; round += 1) {
      for (const [kind, pairing] of [
        ['mit', allMit] as const,
        ['ours', allOurs] as const,
        ['mixed', mitToOurs] as const,
      ]) {
        const sample = await propagateOnce(lab, pairing, dump);
        samples[kind]?.push(sample);
        bench.say(`  round ${round}  ${lineOf(pairing, sample)}`);
      }
      for (const [make, pairing] of [['mit', allMit] as const, ['ours', allOurs] as const]) {
        const sample = await propagateOnce(lab, pairing, dump, noLoad);
        wire[make].push(sample.seconds);
        bench.say(`  round ${round}  ${lineOf(pairing, sample)}, the wire alone`);
      }
      touchMemory(lab, 3 * dump.bytes);
      const started = performance.now();
      await lab.load(dump.path);
      bare.push((performance.now() - started) / 1000);
      bench.say(`  round ${round}  ${'kdb5_util load'.padEnd(26)}${seconds(bare.at(-1) ?? 0)}`);
    }
    const mit = summaryOf(allMit, samples.mit ?? []);
    const ours = summaryOf(allOurs, samples.ours ?? []);
    const mixed = summaryOf(mitToOurs, samples.mixed ?? []);
    const alone = median(bare);
    const most = bench.principals >= 1e6 ? 0.25 : bench.principals >= 1e5 ? 0.35 : 0.8;
    const figure = (what: string, other: number, most: number, row = ours) => ({
      what,
      result: times(row.seconds / other),
      ours: seconds(row.seconds),
      against: seconds(other),
      target: `≤ ${most.toFixed(2)} ×`,
      met: row.seconds / other <= most,
    });
    return {
      raw: { bytes: dump.bytes, mit, ours, mixed, wire, bare },
      figures: [
        figure('whole propagation, against MIT to MIT', mit.seconds, most),
        figure('whole propagation, against our own wire alone', median(wire.ours), 1.3),
        figure(
          "MIT's kprop to our kpropd, against MIT's wire alone",
          median(wire.mit),
          1.15,
          mixed,
        ),
        figure('whole propagation, against kdb5_util load alone', alone, 0.5),
        {
          what: "kpropd's memory during a load",
          result: megabytes(Math.max(ours.kpropdPeakBytes, mixed.kpropdPeakBytes)),
          target: '≤ 160 MB',
          met: Math.max(ours.kpropdPeakBytes, mixed.kpropdPeakBytes) <= 160e6,
        },
      ],
    };
  },
};

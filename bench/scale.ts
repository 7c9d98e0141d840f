import { type Part, median, times } from './part.ts';
import { allOurs, noLoad, propagateOnce } from './propagation.ts';
import { table } from './table.ts';

/** What a principal costs must not depend on how many there are. */
export const scale: Part = {
  name: 'scale',
  about: 'time per principal, ours to ours, wire only',
  async measure(bench) {
    const lab = await bench.lab();
    const rows: { principals: number; bytes: number; seconds: number }[] = [];
    for (const principals of [1_000, 10_000, 100_000, 1_000_000]) {
      if (principals > bench.principals) break;
      const dump = await bench.dump(principals);
      const samples: number[] = [];
      for (let round = 1; round <= bench.rounds; round += 1) {
        samples.push((await propagateOnce(lab, allOurs, dump, noLoad)).seconds);
      }
      rows.push({ principals, bytes: dump.bytes, seconds: median(samples) });
    }
    const micros = ({ seconds, principals }: (typeof rows)[number]) => (seconds / principals) * 1e6;
    bench.say(
      table([
        ['principals', 'time', 'per principal'],
        ...rows.map((row) => [
          String(row.principals),
          `${row.seconds.toFixed(3)} s`,
          `${micros(row).toFixed(2)} µs`,
        ]),
      ]),
    );
    const [most, fewer] = [rows.at(-1), rows.at(-2)];
    if (most === undefined || fewer === undefined) return { figures: [], raw: rows };
    const ratio = micros(most) / micros(fewer);
    return {
      raw: rows,
      figures: [
        {
          what: `time per principal, ${most.principals} against ${fewer.principals}`,
          result: times(ratio),
          ours: `${micros(most).toFixed(2)} µs`,
          against: `${micros(fewer).toFixed(2)} µs`,
          target: '≤ 1.10 ×',
          met: ratio <= 1.1,
        },
      ],
    };
  },
};

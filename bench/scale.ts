import { median, type Part, times } from './part.ts';
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
    const [most, fewer, fewest] = rows.toReversed();
    if (most === undefined || fewer === undefined || fewest === undefined) {
      return { figures: [], raw: rows };
    }
    // Between two sizes, for the start of both programs is the same for all, and most of the small ones.
    const further = (more: typeof most, less: typeof most) =>
      ((more.seconds - less.seconds) / (more.principals - less.principals)) * 1e6;
    const last = further(most, fewer);
    const before = further(fewer, fewest);
    return {
      raw: rows,
      figures: [
        {
          what: `each further principal up to ${most.principals}, against up to ${fewer.principals}`,
          result: times(last / before),
          ours: `${last.toFixed(2)} µs`,
          against: `${before.toFixed(2)} µs`,
          target: '≤ 1.10 ×',
          met: last / before <= 1.1,
        },
      ],
    };
  },
};

import { type Figure, type Part, rate, times } from './part.ts';
import { allMit, allOurs, cpuFigure, noLoad, propagateOnce, summaryOf } from './propagation.ts';
import { byTurns } from './wire.ts';

const sha2 = ['aes128-cts-hmac-sha256-128', 'aes256-cts-hmac-sha384-192'];

/** The encryption types of RFC 8009, without the load. */
export const enctypes: Part = {
  name: 'enctypes',
  about: 'the wire only, with the encryption types of RFC 8009',
  async measure(bench) {
    const dump = await bench.dump(bench.principals);
    const figures: Figure[] = [];
    const raw: unknown[] = [];
    for (const enctype of sha2) {
      bench.say(`  ${enctype}`);
      const lab = await bench.lab(enctype);
      const samples = await byTurns(bench, [allMit, allOurs], (pairing) =>
        propagateOnce(lab, pairing, dump, noLoad),
      );
      const mit = summaryOf(allMit, samples.get(allMit) ?? []);
      const ours = summaryOf(allOurs, samples.get(allOurs) ?? []);
      const ratio = mit.seconds / ours.seconds;
      raw.push({ enctype, bytes: dump.bytes, mit, ours });
      figures.push({
        what: `wire with ${enctype}, against MIT to MIT`,
        result: times(ratio),
        ours: rate(dump.bytes / ours.seconds),
        against: rate(dump.bytes / mit.seconds),
        target: '≥ 4 ×',
        met: ratio >= 4,
      });
      figures.push(cpuFigure(enctype, mit, ours));
    }
    return { figures, raw };
  },
};

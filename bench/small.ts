import { type Figure, median, type Part, times } from './part.ts';
import {
  allMit,
  allOurs,
  noLoad,
  oursToMit,
  type PropagationOptions,
  propagateOnce,
} from './propagation.ts';

const principals = 100;
/** Short runs are cheap, and noisy. */
const runsPerRound = 5;

/** The whole kprop command for a small database: what is left is start-up and handshake. */
export const small: Part = {
  name: 'small',
  about: `a database of ${principals} principals: the whole kprop command`,
  async measure(bench) {
    const lab = await bench.lab();
    const dump = await bench.dump(principals);
    await lab.load(await lab.dump());
    const raw: unknown[] = [];
    const measure = async (pairings: typeof all, o: PropagationOptions) => {
      const samples = pairings.map((): number[] => []);
      for (let run = 0; run < bench.rounds * runsPerRound; run += 1) {
        for (const [at, pairing] of pairings.entries()) {
          samples[at]?.push((await propagateOnce(lab, pairing, dump, o)).seconds * 1000);
        }
      }
      raw.push({ pairings, options: o, millis: samples });
      return samples.map(median);
    };
    const all = [allMit, allOurs, oursToMit];
    const withLoad = await measure(all, {});
    const without = await measure(all, noLoad);
    const figure = (what: string, mit = Number.NaN, ours = Number.NaN): Figure => ({
      what,
      result: times(ours / mit),
      ours: `${ours.toFixed(0)} ms`,
      against: `${mit.toFixed(0)} ms`,
      target: '≤ 2.50 ×',
      met: ours / mit <= 2.5,
    });
    return {
      raw,
      figures: [
        figure('100 principals, load included, ours to ours', withLoad[0], withLoad[1]),
        figure('100 principals, load included, our kprop to MIT kpropd', withLoad[0], withLoad[2]),
        figure('100 principals, without the load, ours to ours', without[0], without[1]),
        figure('100 principals, without the load, our kprop to MIT kpropd', without[0], without[2]),
      ],
    };
  },
};

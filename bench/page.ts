import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ControlRealm } from '../kpropctl/test/realm.ts';
import type { LabProcess } from '../test/support/lab/lab.ts';
import { freePort } from '../test/support/lab/lab-process.ts';
import { makeSyntheticDump } from '../test/support/lab/synthetic-dump.ts';
import type { WatchersSettings } from './page-roles.ts';
import { median, type Part, seconds, times } from './part.ts';
import { touchMemory } from './propagation.ts';
import { startRole } from './roles.ts';

const replicas = 2;
const openPages = 5_000;
const loads = 50;

/** Whether those who look slow those who work: runs of the daemon with and without open pages. */
export const page: Part = {
  name: 'page',
  about: `kpropctl serve: runs to ${replicas} replicas beside ${openPages} open pages, against none`,
  async measure(bench) {
    const realm = await ControlRealm.create();
    const url = `http://127.0.0.1:${await freePort()}`;
    try {
      const { lab } = realm;
      for (let at = 0; at < replicas; at += 1) await realm.addReplica('ours');
      realm.configure({ total: '30m', every: '10h', listen: url.slice('http://'.length) });
      const basedOn = readFileSync(await lab.dump(), 'latin1');
      const large = join(lab.folder, 'large');
      const { bytes } = makeSyntheticDump(large, bench.principals, { basedOn });
      await lab.load(large, 'primary');
      const daemon = realm.start('serve');
      await daemon.until(() => runsOf(daemon).length === 1, 'the first run', 600_000);
      const samples = { alone: [] as number[], watched: [] as number[] };
      let seen = { open: 0, lost: 0, bytes: 0 };
      for (let round = 1; round <= bench.rounds; round += 1) {
        touchMemory(lab, 2 * bytes);
        samples.alone.push(await timeRun(daemon));
        const settings: WatchersSettings = { url, count: openPages };
        const role = startRole('watchers', settings);
        await role.line();
        touchMemory(lab, 2 * bytes);
        samples.watched.push(await timeRun(daemon));
        const last = role.line();
        const ended = role.end();
        seen = JSON.parse(await last);
        await ended;
        bench.say(
          `  round ${round}  alone ${seconds(samples.alone.at(-1) ?? 0)}, beside ${seen.open} pages ${seconds(samples.watched.at(-1) ?? 0)}; they were sent ${(seen.bytes / 1e6).toFixed(1)} MB, ${seen.lost} lost`,
        );
      }
      const { millis, weight } = await loadsOf(url);
      bench.say(`  a page in ${median(millis).toFixed(1)} ms, ${weight} bytes in all`);
      const [alone, watched] = [median(samples.alone), median(samples.watched)];
      return {
        raw: { samples, seen, millis, weight },
        figures: [
          {
            what: `a run to ${replicas} replicas beside ${openPages} open pages`,
            result: times(watched / alone),
            ours: seconds(watched),
            against: seconds(alone),
            target: '≤ 1.1 ×',
            met: watched / alone <= 1.1,
          },
          {
            what: 'the page, its style sheet and script, from the first byte asked for to the last',
            result: `${median(millis).toFixed(1)} ms`,
            target: '≤ 100 ms',
            met: median(millis) <= 100,
          },
          {
            what: 'their weight',
            result: `${(weight / 1000).toFixed(1)} kB`,
            target: '≤ 60 kB',
            met: weight <= 60_000,
          },
        ],
      };
    } finally {
      await realm.close();
    }
  },
};

const runsOf = ({ stdout }: LabProcess) => stdout.match(/replicas are up to date/g) ?? [];

/** Seconds of a run that is asked for now. */
async function timeRun(daemon: LabProcess): Promise<number> {
  const before = runsOf(daemon).length;
  const started = performance.now();
  daemon.signal('SIGUSR1');
  await daemon.until(() => runsOf(daemon).length > before, 'a run', 600_000);
  return (performance.now() - started) / 1000;
}

async function loadsOf(url: string) {
  const millis: number[] = [];
  let weight = 0;
  for (let load = 0; load < loads; load += 1) {
    const started = performance.now();
    const parts = ['/', '/page.css', '/page.js'].map(async (path) =>
      (await fetch(`${url}${path}`)).arrayBuffer(),
    );
    weight = (await Promise.all(parts)).reduce((sum, { byteLength }) => sum + byteLength, 0);
    millis.push(performance.now() - started);
  }
  return { millis, weight };
}

import { copyFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { IpropLab, type IpropReplica } from '../test/support/lab/iprop-lab.ts';
import type { Make } from '../test/support/lab/make.ts';
import { residentBytes } from '../test/support/lab/process-status.ts';
import { forksOf, observe } from './observe.ts';
import { median, megabytes, type Part, seconds, times } from './part.ts';

const updates = 10_000;
const idleSeconds = 20;

/** Updates from kadmind to a replica's database, and what a kpropd costs that polls and finds nothing. */
export const incremental: Part = {
  name: 'incremental',
  about: `${updates} updates from kadmind to the replica's database; and polls that find nothing`,
  async measure(bench) {
    const iprop = await IpropLab.create({ logSize: 2 * updates, principals: 0 });
    try {
      const replicas = { mit: await iprop.addReplica('mit'), ours: await iprop.addReplica('ours') };
      await iprop.resyncByHand(replicas.mit, replicas.ours);
      for (const replica of Object.values(replicas)) keep(replica);
      await iprop.kadmin(
        Array.from({ length: updates }, (_, at) =>
          at < 500 ? `addprinc -nokey p${at}` : `modprinc -maxlife ${at}s p${at % 500}`,
        ),
      );
      await iprop.startKadmind('/bin/false', 1);
      const samples: Record<Make, number[]> = { mit: [], ours: [] };
      for (let round = 1; round <= bench.rounds; round += 1) {
        for (const make of ['mit', 'ours'] as const) {
          restore(replicas[make]);
          const started = performance.now();
          const kpropd = iprop.startKpropd(make, replicas[make], { args: ['-t'] });
          const { status, stderr } = await kpropd.ended;
          const elapsed = (performance.now() - started) / 1000;
          if (status !== 0 || !stderr.includes(`Incremental updates: ${updates} `)) {
            throw new Error(stderr);
          }
          samples[make].push(elapsed);
          // From the question to the last update, by kpropd's own word.
          const told = Number(/updates \/ (\d+) us/.exec(stderr)?.[1]) / 1e6;
          bench.say(
            `  round ${round}  ${make.padEnd(5)}${seconds(elapsed)}, ${seconds(told)} of it for the updates`,
          );
        }
      }
      const idle = {
        mit: await idleOf(iprop, 'mit', replicas.mit),
        ours: await idleOf(iprop, 'ours', replicas.ours),
      };
      const [mit, ours] = [median(samples.mit), median(samples.ours)];
      return {
        raw: { samples, idle },
        figures: [
          {
            what: `${updates} updates, kpropd -t from its start to its end`,
            result: times(ours / mit),
            ours: seconds(ours),
            against: seconds(mit),
            target: '≤ 1.00 ×',
            met: ours <= mit,
          },
          {
            what: 'CPU of a kpropd that polls every second and finds nothing',
            result: `${idle.ours.cpuMillis.toFixed(1)} ms a poll`,
            ours: `${idle.ours.cpuMillis.toFixed(1)} ms`,
            against: `${idle.mit.cpuMillis.toFixed(1)} ms`,
          },
          {
            what: 'its resident memory, with its children',
            result: megabytes(idle.ours.bytes),
            ours: megabytes(idle.ours.bytes),
            against: megabytes(idle.mit.bytes),
          },
        ],
      };
    } finally {
      await iprop.close();
    }
  },
};

const parts = ['', '.ok', '.kadm5', '.kadm5.lock', '.ulog'];

function keep({ site }: IpropReplica): void {
  for (const part of parts) copyFileSync(site.database + part, `${site.database}${part}.kept`);
}

function restore({ site }: IpropReplica): void {
  for (const part of parts) copyFileSync(`${site.database}${part}.kept`, site.database + part);
}

/** For each poll, once it is in step. */
async function idleOf(iprop: IpropLab, make: Make, replica: IpropReplica) {
  const kpropd = iprop.startKpropd(make, replica);
  await kpropd.until(() => kpropd.stderr.includes('KDC is synchronized'), 'a poll');
  // Until the process that applies updates has ended.
  await sleep(make === 'ours' ? 35_000 : 2_000);
  const watched = observe(kpropd.pid);
  await sleep(idleSeconds * 1000);
  const { userSeconds, systemSeconds } = watched.stop();
  const bytes = [kpropd.pid, ...forksOf(kpropd.pid)].reduce(
    (sum, pid) => sum + residentBytes(pid),
    0,
  );
  await kpropd.stop();
  return { cpuMillis: ((userSeconds + systemSeconds) * 1000) / idleSeconds, bytes };
}

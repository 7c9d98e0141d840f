import { setTimeout as sleep } from 'node:timers/promises';

import { residentBytes, wakeUps } from '../test/support/lab/process-status.ts';
import { megabytes, type Part } from './part.ts';

/** Some eight seconds after the last work V8 collects garbage once more; then nothing moves. */
const settleMillis = 15_000;
const watchMillis = 10_000;

/** A kpropd that nobody talks to. */
export const atRest: Part = {
  name: 'at-rest',
  about: 'kpropd while nothing happens',
  async measure(bench) {
    const lab = await bench.lab();
    const kpropd = await lab.startOurKpropd();
    const { pid } = kpropd.process;
    try {
      await sleep(settleMillis);
      const before = wakeUps(pid);
      await sleep(watchMillis);
      const wakeUpsPerSecond = ((wakeUps(pid) - before) / watchMillis) * 1000;
      const bytes = residentBytes(pid);
      return {
        raw: { residentBytes: bytes, wakeUpsPerSecond },
        figures: [
          {
            what: 'kpropd at rest: resident memory',
            result: megabytes(bytes),
            target: '≤ 70 MB',
            met: bytes <= 70e6,
          },
          {
            what: 'kpropd at rest: wake-ups a second, all threads',
            result: wakeUpsPerSecond.toFixed(1),
            target: '≤ 1',
            met: wakeUpsPerSecond <= 1,
          },
        ],
      };
    } finally {
      await kpropd.stop();
    }
  },
};

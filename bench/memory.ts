import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

import type { Lab } from '../test/support/lab/lab.ts';
import { megabytes, type Part, seconds } from './part.ts';
import { allOurs, lineOf, noLoad, propagateOnce } from './propagation.ts';

const hugeBytes = 10_000_000_000;

/** Memory for a dump that is larger than any memory should be. */
export const memory: Part = {
  name: 'memory',
  about: `peak memory for a dump of ${hugeBytes / 1e9} GB`,
  onRequest: true,
  async measure(bench) {
    const lab = await bench.lab();
    const path = join(lab.folder, 'huge');
    try {
      await makeHuge(lab, path);
      // The folder of the lab goes with the lab, with the received copy, however this run ends.
      const sample = await propagateOnce(lab, allOurs, { path, bytes: 0 }, noLoad);
      bench.say(`  ${lineOf(allOurs, sample)}`);
      const { kprop, kpropd } = sample;
      const peak = Math.max(kprop.peakBytes, kpropd.peakBytes);
      return {
        raw: { bytes: hugeBytes, sample },
        figures: [
          {
            what: `peak memory of either side, ${hugeBytes / 1e9} GB in ${seconds(sample.seconds)}`,
            result: megabytes(peak),
            ours: `kprop ${megabytes(kprop.peakBytes)}, kpropd ${megabytes(kpropd.peakBytes)}`,
            target: '≤ 120 MB',
            met: peak <= 120e6,
          },
        ],
      };
    } finally {
      rmSync(path, { force: true });
      rmSync(lab.replica.fromMaster, { force: true });
    }
  },
};

/**
 * A real dump with a hole of zeros before its last record. Nobody loads it: kpropd looks at the
 * first and the last line only, and those are whole.
 */
async function makeHuge(lab: Lab, path: string): Promise<void> {
  const text = readFileSync(await lab.dump());
  const lastLine = text.subarray(text.lastIndexOf('\n', text.length - 2));
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, text.subarray(0, text.length - lastLine.length));
    ftruncateSync(file, hugeBytes);
    writeSync(file, lastLine, 0, lastLine.length, hugeBytes - lastLine.length);
  } finally {
    closeSync(file);
  }
  writeFileSync(`${path}.dump_ok`, '\0');
}

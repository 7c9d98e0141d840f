import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab } from '../../support/lab/lab.ts';
import { residentBytes, statusField } from '../../support/lab/process-status.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.create();
});

afterAll(() => lab.close());

// A replica has other things to do: at rest 70 MB, and no timer that wakes more than once a second.
test('after a large dump kpropd gives its memory back, and sleeps', async () => {
  const basedOn = readFileSync(await lab.dump(), 'latin1');
  const dump = makeSyntheticDump(join(lab.folder, 'large'), 300_000, { basedOn });
  const kpropd = await lab.startOurKpropd({ loader: '/bin/true' });
  const { pid } = kpropd.process;
  const fresh = residentBytes(pid);
  expect(fresh).toBeLessThan(70e6);
  const { status } = await lab.ourKprop({ port: kpropd.port, file: dump.path });
  expect(status).toBe(0);
  // Without it more than 40 MB stay. Half of what does stay is the code of Node that was needed.
  const resting = fresh + 20e6;
  for (let tries = 0; tries < 150 && residentBytes(pid) > resting; tries += 1) await sleep(200);
  expect(residentBytes(pid)).toBeLessThan(resting);

  const before = wakeUps(pid);
  await sleep(3000);
  expect(wakeUps(pid) - before).toBeLessThanOrEqual(3);
  await kpropd.stop();
});

/** How often its main thread has gone to sleep. */
function wakeUps(pid: number): number {
  return statusField(`/proc/${pid}/status`, 'voluntary_ctxt_switches') ?? Number.NaN;
}

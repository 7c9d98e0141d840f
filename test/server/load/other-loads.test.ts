import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { comparable } from '../../support/lab/lab.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { kdb5Util, ReplicaRig } from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

/** A kdb5_util load by hand, which has read half of the dump. */
async function loadByHand(dump: string) {
  // What Node gives a program as its input is a socket, which cannot be opened by name.
  const child = spawn('/bin/sh', ['-c', `cat | ${kdb5Util} load /dev/stdin`], {
    env: rig.lab.env('replica'),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(child, 'exit');
  const text = readFileSync(dump);
  child.stdin.write(text.subarray(0, text.length / 2));
  await vi.waitFor(() => {
    if (!existsSync(`${rig.lab.replica.database}~.ok`)) throw new Error('it has not begun');
  });
  await sleep(100);
  return async () => {
    child.stdin.end(text.subarray(text.length / 2));
    const [status] = await ended;
    expect(status).toBe(0);
  };
}

test.each([
  ['kdb5_util', 'small'],
  ['kdb5_util', 'large'],
  ['auto', 'small'],
  ['auto', 'large'],
] as const)('--load=%s waits for a load by hand, with a dump that is %s', async (load, size) => {
  const large = join(rig.lab.primary.folder, 'large');
  makeSyntheticDump(large, 5_000, { basedOn: readFileSync(rig.good, 'latin1') });
  const dump = size === 'large' ? large : rig.other;
  const server = await rig.serve({ load });
  const finish = await loadByHand(rig.good);
  let done = false;
  const sending = rig.send(server.port, { dump }).then(() => {
    done = true;
  });
  await sleep(700);
  expect(done).toBe(false);
  expect(server.events.map(({ kind }) => kind)).not.toContain('streaming');
  await finish();
  await sending;
  expect(comparable(await rig.lab.replicaDump())).toBe(comparable(readFileSync(dump, 'latin1')));
});

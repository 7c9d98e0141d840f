import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { comparable } from '../support/lab/lab.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { kdb5Util, ReplicaRig } from '../support/rig/replica-rig.ts';

// A KDC that notes each login, two loops of native loads and one of kdb5_util dump, on one database.
// SIDE_BY_SIDE_SECONDS=60 npm run test:long -- test/interop/side-by-side.test.ts

const seconds = Number(process.env.SIDE_BY_SIDE_SECONDS ?? 6);

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

test(`logins, loads and dumps for ${seconds} s`, { timeout: (seconds + 60) * 1000 }, async () => {
  const { lab } = rig;
  await lab.kadminLocal('primary', 'addpol -maxfailure 100000 counted');
  await lab.kadminLocal('primary', 'modprinc -policy counted +requires_preauth good');
  const dumps = [await lab.dump(), join(lab.primary.folder, 'larger')];
  makeSyntheticDump(dumps[1] ?? '', 3_000, { basedOn: readFileSync(dumps[0] ?? '', 'latin1') });
  const texts = dumps.map((path) => comparable(withoutLogins(readFileSync(path, 'latin1'))));
  await lab.load(dumps[0] ?? '');
  await lab.startReplicaKdc();
  const end = performance.now() + seconds * 1000;
  const counts = { logins: 0, refused: 0, loads: 0, dumps: 0 };
  const errors: string[] = [];
  const loop = async (work: () => Promise<void>) => {
    while (performance.now() < end) {
      await work().catch((error: unknown) => errors.push(`${error}`));
    }
  };
  const loads = async (number: number) => {
    const file = join(lab.replica.folder, `spool-${number}`);
    const server = await rig.serve({ load: 'native', verify: 'never', file });
    let next = number;
    await loop(async () => {
      // The lock is hardly ever free: how long a load waits for it depends on the machine.
      const limits = { confirmMillis: 60_000 };
      await rig.send(server.port, { dump: dumps[next % 2] ?? '', limits });
      next += 1;
      counts.loads += 1;
    });
  };
  const logins = loop(async () => {
    const right = await lab.kinit('replica', 'good', 'good');
    if (!right.ok) throw new Error(right.error);
    counts.logins += 1;
    const wrong = await lab.kinit('replica', 'good', 'wrong');
    // The KDC has seen the request, and has written that it failed.
    if (!/Password incorrect/.test(wrong.error)) throw new Error(wrong.error);
    counts.refused += 1;
  });
  const dumping = loop(async () => {
    const path = join(lab.replica.folder, 'tmp', 'dumped');
    const { status, stderr } = await lab.run(kdb5Util, ['dump', path], { role: 'replica' });
    if (status !== 0) throw new Error(stderr);
    const text = comparable(withoutLogins(readFileSync(path, 'latin1')));
    if (!texts.includes(text)) throw new Error('a dump is neither of the two databases');
    counts.dumps += 1;
    // A loop without a pause keeps the shared lock nearly all the time.
    await sleep(30);
  });
  await Promise.all([loads(0), loads(1), logins, dumping]);
  expect(errors).toEqual([]);
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(1);
  console.log(`${seconds} s side by side: ${JSON.stringify(counts)}`);
});

/** Without what the KDC notes: the last three numbers of an entry before its typed data. */
function withoutLogins(dump: string): string {
  return dump.replace(/^(princ(?:\t[^\t]*){6}(?:\t-?\d+){5})(?:\t-?\d+){3}/gm, '$1');
}

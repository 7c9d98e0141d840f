import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { comparable } from '../../support/lab/lab.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { ReplicaRig } from '../../support/rig/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());
test('a', async () => {
  const server = await rig.serve({});
  await rig.send(server.port);
  console.log(server.events.map((e) => JSON.stringify(e)).join('\n'));
  expect(comparable(await rig.lab.replicaDump())).toBe(
    comparable(readFileSync(rig.other, 'latin1')),
  );
  const dump = join(rig.lab.primary.folder, 'large');
  makeSyntheticDump(dump, 30_000, { basedOn: readFileSync(rig.good, 'latin1') });
  await rig.send(server.port, { dump });
  console.log(server.events.map((e) => JSON.stringify(e)).join('\n'));
  expect(comparable(await rig.lab.replicaDump())).toBe(comparable(readFileSync(dump, 'latin1')));
  console.log(
    (await rig.lab.run('ls', ['-la', rig.lab.replica.folder])).stdout,
    readFileSync(rig.lab.replica.fromMaster + '.state', 'utf8'),
  );
});

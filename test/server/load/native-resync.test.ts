import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { IpropLab } from '../../support/lab/iprop-lab.ts';
import { kdb5Util } from '../../support/rig/replica-rig.ts';

// A replica with incremental propagation: the dump of a full resynchronization is loaded natively, and
// leaves the database and the update log that kdb5_util load -i leaves.

let iprop: IpropLab;
let resync: string;
let plain: string;
beforeAll(async () => {
  iprop = await IpropLab.create();
  const { lab } = iprop;
  await lab.addPrincipals(['kept', 'changed'], 'secret');
  plain = await lab.dump();
  resync = join(lab.primary.folder, 'resync');
  await lab.run(kdb5Util, ['dump', '-i1', resync]);
  // What the replica's KDC has noted.
  const noted = join(lab.replica.folder, 'noted');
  const text = readFileSync(plain, 'latin1');
  writeFileSync(
    noted,
    text.replace(
      /^(princ(?:\t[^\t]*){6}(?:\t-?\d+){5})(?:\t-?\d+){3}/gm,
      '$1\t1700000001\t1700000002\t7',
    ),
  );
  await lab.load(noted);
});
afterAll(() => iprop.close());

test('what the KDC noted stays, and the log stands where the dump says', async () => {
  const { lab } = iprop;
  const { database } = lab.replica;
  for (const end of ['', '.kadm5', '.ulog'])
    copyFileSync(database + end, `${database}-before${end}`);
  expect(await lab.run(kdb5Util, ['load', '-i', resync], { role: 'replica' })).toMatchObject({
    status: 0,
  });
  const wanted = await lab.replicaDump();
  const log = await iprop.updateLog('replica');
  expect(wanted).toContain('\t1700000001\t1700000002\t7\t');
  for (const end of ['', '.kadm5', '.ulog'])
    copyFileSync(`${database}-before${end}`, database + end);
  const kpropd = await lab.startOurKpropd({ args: ['--load=native'] });
  const sent = await lab.mitKprop({ port: kpropd.port, file: resync });
  expect(sent).toMatchObject({ status: 0, stderr: '' });
  expect(await lab.replicaDump()).toBe(wanted);
  const untimed = (text: string) => text.replace(/time stamp : .*/gi, '');
  expect(untimed(await iprop.updateLog('replica'))).toBe(untimed(log));
  expect(await iprop.lastSerial('replica')).toBe(
    Number(/^ipropx 1 (\d+)/.exec(readFileSync(resync, 'latin1'))?.[1]),
  );
  await kpropd.stop();
});

test('a plain dump merges nothing, and makes the log begin anew', async () => {
  const { lab } = iprop;
  const kpropd = await lab.startOurKpropd({ args: ['--load=native'] });
  expect(await lab.mitKprop({ port: kpropd.port, file: plain })).toMatchObject({ status: 0 });
  expect(await lab.replicaDump()).toBe(readFileSync(plain, 'latin1'));
  expect(await iprop.lastSerial('replica')).toBe(1);
  await kpropd.stop();
});

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { IpropLab, principalsOf } from '../support/lab/iprop-lab.ts';
import { type LabProcess, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';

const ourKprop = ourProgram('kprop');

let iprop: IpropLab;
const started: LabProcess[] = [];
beforeAll(async () => {
  iprop = await IpropLab.create();
});
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop();
});
afterAll(() => iprop.close());

/** Both sites have the same principals; an update may put the data of one in another order. */
async function expectSamePrincipals(): Promise<void> {
  const { lab } = iprop;
  const primary = readFileSync(await lab.dump(join(lab.primary.folder, 'compare')), 'latin1');
  expect(principalsOf(await lab.replicaDump())).toEqual(principalsOf(primary));
}

test("kadmind starts our kprop, and MIT's kpropd is up to date", async () => {
  const port = await freePort();
  // What kadmind gives it, on the way to it.
  const said = join(iprop.lab.primary.folder, 'kprop-arguments');
  const wrapper = join(iprop.lab.primary.folder, 'kprop');
  writeFileSync(wrapper, `#!/bin/sh\necho "$@" >> ${said}\nexec ${ourKprop} "$@"\n`, {
    mode: 0o755,
  });
  const kadmind = await iprop.startKadmind(wrapper, port);
  const poller = iprop.startPoller(port);
  started.push(kadmind, poller);

  await poller.until(() => poller.stderr.includes('KDC is synchronized'), 'a full resync');
  expect(poller.stderr).toMatch(
    /Full resync request granted[\s\S]*Full propagation transfer finished/,
  );
  const { lab } = iprop;
  const dump = join(lab.primary.folder, `resync-${port}`);
  expect(readFileSync(said, 'utf8')).toBe(`-r ${lab.realm} -f ${dump} -P ${port} ${lab.host}\n`);
  // The replica may be up to date before kprop, which is told so last, has said that it is.
  const success = `Database propagation to ${lab.host}: SUCCEEDED\n`;
  await kadmind.until(() => kadmind.stdout.includes(success), 'the word of kprop');
  await expectSamePrincipals();

  await lab.addPrincipals(['after-the-resync'], 'secret');
  await poller.until(() => /Incremental updates: \d/.test(poller.stderr), 'an incremental update');
  await expectSamePrincipals();
  expect(await iprop.lastSerial('replica')).toBe(await iprop.lastSerial('primary'));
});

test('our kpropd takes the dump of a resync, and the poller goes on from there', async () => {
  const { lab } = iprop;
  await lab.run('/usr/sbin/kproplog', ['-R'], { role: 'replica' });
  await lab.addPrincipals(['before-the-resync'], 'secret');
  const ours = await lab.startOurKpropd();
  const kadmind = await iprop.startKadmind(ourKprop, ours.port);
  // MIT's poller leaves once it is up to date (-t). Its own listener is never asked.
  const poller = iprop.startPoller(await freePort(), ['-t']);
  started.push(ours.process, kadmind, poller);

  expect(await poller.ended).toMatchObject({ status: 0 });
  expect(poller.stderr).toMatch(/Full resync request granted[\s\S]*KDC is synchronized/);
  expect(poller.stderr).not.toContain('Connection from');
  expect(ours.stderr).toContain('Full propagation transfer finished.\n');
  expect(readFileSync(lab.replica.fromMaster, 'latin1')).toMatch(/^ipropx 1 \d+ \d+ \d+\n/);
  await expectSamePrincipals();
  const serial = await iprop.lastSerial('primary');
  expect(await iprop.updateLog('replica')).toMatch(
    new RegExp(`Number of entries : 1\n[\\s\\S]*Update serial # : ${serial}\n\tDummy entry\n`),
  );

  await lab.addPrincipals(['after-our-resync'], 'secret');
  const again = iprop.startPoller(await freePort(), ['-t']);
  expect(await again.ended).toMatchObject({ status: 0 });
  expect(again.stderr).toMatch(/Incremental updates: \d/);
  expect(again.stderr).not.toContain('Full resync');
  await expectSamePrincipals();
  expect(await iprop.lastSerial('replica')).toBe(await iprop.lastSerial('primary'));
});

test('a plain dump between resyncs: loaded, and the poller asks for another resync', async () => {
  const { lab } = iprop;
  const ours = await lab.startOurKpropd();
  started.push(ours.process);
  await lab.dump();
  expect(await lab.mitKprop({ port: ours.port })).toMatchObject({ status: 0, stderr: '' });
  await expectSamePrincipals();
  // A load without -i starts the log anew.
  expect(await iprop.lastSerial('replica')).toBe(1);

  started.push(await iprop.startKadmind(ourKprop, ours.port));
  const poller = iprop.startPoller(await freePort(), ['-t']);
  started.push(poller);
  expect(await poller.ended).toMatchObject({ status: 0 });
  expect(poller.stderr).toMatch(/Full resync request granted[\s\S]*KDC is synchronized/);
  await expectSamePrincipals();
});

test('a resync for a replica whose kdc.conf does not enable iprop says so', async () => {
  const { lab } = iprop;
  const plain = join(lab.folder, 'plain.conf');
  const conf = readFileSync(lab.replica.krb5Conf, 'utf8');
  writeFileSync(plain, conf.replace('iprop_enable = true', 'iprop_enable = false'));
  const ours = await lab.startOurKpropd({ env: { KRB5_CONFIG: plain } });
  started.push(ours.process);
  const resync = join(lab.primary.folder, 'resync-by-hand');
  await lab.run('/usr/sbin/kdb5_util', ['dump', '-i1', resync]);
  const sent = await lab.mitKprop({ port: ours.port, file: resync });
  expect(sent).toMatchObject({ status: 1, stdout: '' });
  expect(sent.stderr).toContain('Generic remote error: kdb5_util returned a bad exit status (1)');
  await ours.process.until(() => ours.process.stderr.includes('Iprop not enabled'), 'its words');
});

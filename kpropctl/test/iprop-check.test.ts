import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { freePort } from '../../test/support/lab/lab-process.ts';
import type { Diagnosis } from '../src/doctor/finding.ts';
import { mayAskForUpdates } from '../src/doctor/kadm-acl.ts';
import { ControlRealm } from './realm.ts';

// What a primary must have for incremental propagation, beside its configuration.

const replica = 'kiprop/127.0.0.11@LAB.EXAMPLE';

test.each([
  ['kiprop/*@LAB.EXAMPLE p', true],
  ['kiprop/127.0.0.11 p', true],
  ['*/*@* x', true],
  ['* *', true],
  ['*@LAB.EXAMPLE *', false],
  ['kiprop/127.0.0.11@LAB.EXAMPLE xP', false],
  ['kiprop/127.0.0.11@LAB.EXAMPLE l\nkiprop/*@LAB.EXAMPLE p', false],
  ['kiprop/*@LAB.EXAMPLE p host/*@LAB.EXAMPLE', false],
  ['#kiprop/*@LAB.EXAMPLE p', false],
  ['kiprop/*@LAB.EXAMPLE, \\\n p', true],
  ['', false],
])('kadm5.acl: %j', (acl, expected) => {
  const asked = { principal: replica, realm: 'LAB.EXAMPLE' };
  expect(mayAskForUpdates(acl, asked)).toBe(expected);
});

let realm: ControlRealm;
beforeAll(async () => {
  realm = await ControlRealm.create();
  await realm.addReplica('ours');
  realm.configure();
  const { lab } = realm;
  const { kdcConf } = lab.primary;
  const relations = `iprop_enable = true\n    iprop_port = ${await freePort()}\n`;
  const own = `[realms]\n  ${lab.realm} = {\n    ${relations}  }\n`;
  writeFileSync(kdcConf, `${own}${readFileSync(kdcConf, 'utf8')}`);
  await lab.addPrincipals(['kiprop/127.0.0.11', `kiprop/${lab.host}`]);
});
afterAll(() => realm.close());

async function wrongWithIprop(on: string) {
  const { stdout } = await realm.run('doctor', '--json', '127.0.0.11');
  const { findings } = JSON.parse(stdout) as Diagnosis;
  return findings.filter((one) => one.check === 'iprop' && one.on === on && one.state !== 'ok');
}

test('without the right p, with the fix that gives it', async () => {
  const acl = join(realm.lab.primary.folder, 'kadm5.acl');
  writeFileSync(acl, 'root/admin *\n');
  const [found] = await wrongWithIprop('127.0.0.11');
  expect(found).toMatchObject({ state: 'failure', what: expect.stringContaining(acl) });
  const line = /^add this line to (\S+): +(.*), then run here: /.exec(found?.fix ?? '');
  appendFileSync(line?.[1] ?? '', `${line?.[2]}\n`);
  expect(await wrongWithIprop('127.0.0.11')).toEqual([]);
});

test.each([
  ['127.0.0.11', () => 'kiprop/127.0.0.11'],
  ['here', () => `kiprop/${realm.lab.host}`],
])('a principal that is locked (%s)', async (on, principal) => {
  await realm.kadminLocal([`modprinc -allow_tix ${principal()}`]);
  const [found] = await wrongWithIprop(on);
  expect(found?.what).toContain('is locked');
  const query = /-q "(modprinc [^"]*)"$/.exec(found?.fix ?? '')?.[1] ?? '';
  await realm.kadminLocal([query]);
  expect((await wrongWithIprop(on)).filter(({ what }) => /locked/.test(what))).toEqual([]);
});

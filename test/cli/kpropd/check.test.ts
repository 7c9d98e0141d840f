import { appendFileSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import type { CheckFinding } from '../../../src/server/check/finding.ts';
import { folderListing } from '../../support/lab/folder-listing.ts';
import { Lab, ourProgram } from '../../support/lab/lab.ts';
import { freePort } from '../../support/lab/lab-process.ts';

// kpropd --check: the checks themselves are tried in test/server/check.

let lab: Lab;
let port: number;
beforeAll(async () => {
  lab = await Lab.create();
  port = await freePort();
  await lab.dump();
  await lab.load(lab.dumpFile);
});
afterAll(() => lab.close());

function check(...more: readonly string[]) {
  const { acl, fromMaster } = lab.replica;
  const args = ['--check', '-P', `${port}`, '-a', acl, '-f', fromMaster, ...more];
  return lab.run(process.execPath, [ourProgram('kpropd'), ...args], { role: 'replica' });
}

test('a sound replica: exit 0, in words and as JSON, and nothing is written', async () => {
  const site = () => folderListing(lab.replica.folder);
  const before = site();
  const { status, stdout, stderr } = await check();
  expect(stdout.replace(/^✓ .*\n/gm, '')).toBe('no problems.\n');
  expect([status, stderr]).toEqual([0, '']);
  const json = JSON.parse((await check('--json')).stdout);
  expect(json).toMatchObject({ schema: 'kpropd.check/1', exit: 0 });
  const states = json.findings.map(({ state }: CheckFinding) => state);
  expect(new Set(states)).toEqual(new Set(['ok']));
  expect(site()).toEqual(before);
});

test('something doubtful: exit 1; something wrong: exit 2; the fix stands below', async () => {
  chmodSync(lab.replica.keytab, 0o644);
  const { status, stdout } = await check();
  expect(status).toBe(1);
  expect(stdout).toContain(`(mode 0644)\n    chmod 600 ${lab.replica.keytab}\n`);
  expect(stdout).toMatch(/\n1 warning\.\n$/);
  chmodSync(lab.replica.keytab, 0o600);
  const broken = await check('-a', '/nowhere/acl', '-s', '/nowhere/keytab');
  expect(broken.status).toBe(2);
  expect(broken.stdout).toMatch(/\n✗ there is no \/nowhere\/acl.*\n {4}echo .*\n/);
  expect(broken.stdout).toMatch(/2 problems\.\n$/);
});

test('a configuration with which no kpropd starts', async () => {
  const text = readFileSync(lab.replica.krb5Conf);
  appendFileSync(lab.replica.krb5Conf, '[libdefaults\n');
  const { status, stdout } = await check();
  expect([status, stdout]).toEqual([2, expect.stringMatching(/^✗ .*\n {4}.*\n1 problem\.\n$/)]);
  writeFileSync(lab.replica.krb5Conf, text);
});

import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { inspectDump } from '../../src/client/inspect-dump.ts';
import { Lab } from '../support/lab/lab.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 3 });
  await lab.kadminLocal('primary', 'addpol -minlength 5 somepolicy');
  await lab.addPrincipals(['alice'], 'secret');
});
afterAll(() => lab.close());

const masterKey = 'K/M@LAB.EXAMPLE';

test('a dump of kdb5_util: its records, its master key', async () => {
  const path = await lab.dump();
  const text = readFileSync(path, 'latin1');
  const summary = await inspectDump(path, { masterKey });
  expect(summary).toMatchObject({
    header: 'kdb5_util load_dump version 7',
    bytes: text.length,
    principals: text.match(/^princ\t/gm)?.length,
    policies: 1,
    complete: true,
    masterKvno: 1,
  });
  expect(summary.digest).toMatch(/^[0-9a-f]{64}$/);
});

test('the digest is another one after a change, but not after a login', async () => {
  await lab.kadminLocal('primary', 'modprinc +requires_preauth alice');
  const before = await inspectDump(await lab.dump());
  await lab.kinit('primary', 'alice', 'secret');
  await lab.kinit('primary', 'alice', 'wrong');
  const path = await lab.dump();
  expect((await inspectDump(path)).digest).toBe(before.digest);
  await lab.kadminLocal('primary', 'modprinc -maxlife 1h alice');
  expect((await inspectDump(await lab.dump())).digest).not.toBe(before.digest);
});

test('a principal can be left out of the digest, and its records are counted', async () => {
  const without = ['alice@LAB.EXAMPLE'];
  const before = await inspectDump(await lab.dump(), { without });
  await lab.kadminLocal('primary', 'modprinc -maxlife 2h alice');
  expect(await inspectDump(await lab.dump(), { without })).toEqual({
    ...before,
    bytes: expect.any(Number),
  });
});

test('it is the same whatever the pieces are that a large dump is read in', async () => {
  const path = join(lab.folder, 'large');
  const { bytes } = makeSyntheticDump(path, 20_000, {
    basedOn: readFileSync(await lab.dump(), 'latin1'),
  });
  const summary = await inspectDump(path, { masterKey });
  expect(summary.bytes).toBe(bytes);
  expect(summary.principals).toBeGreaterThanOrEqual(20_000);
  expect(summary.complete).toBe(true);
});

test('a dump that is cut, or is none', async () => {
  const path = await lab.dump(join(lab.folder, 'cut'));
  truncateSync(path, readFileSync(path).length - 5);
  expect((await inspectDump(path)).complete).toBe(false);
  writeFileSync(path, '');
  expect(await inspectDump(path)).toMatchObject({ header: '', complete: false, principals: 0 });
  appendFileSync(path, 'some header\n');
  expect((await inspectDump(path, { masterKey })).masterKvno).toBeUndefined();
  await expect(inspectDump(join(lab.folder, 'none'))).rejects.toMatchObject({ code: 'dump.read' });
});

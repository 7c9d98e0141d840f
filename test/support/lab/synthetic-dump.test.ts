import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { comparable, Lab } from './lab.ts';
import { makeSyntheticDump } from './synthetic-dump.ts';

let lab: Lab;
let real: string;
beforeAll(async () => {
  lab = await Lab.create({ principals: 1 });
  await lab.kadminLocal('primary', 'addpol -minlength 8 strict');
  real = readFileSync(await lab.dump(), 'latin1');
});
afterAll(() => lab.close());

const loaded = async (path: string) => {
  await lab.load(path);
  return comparable(await lab.replicaDump());
};
const records = (text: string, kind: string) =>
  text.split('\n').filter((line) => line.startsWith(`${kind}\t`)).length;

test('kdb5_util loads 1000 made-up principals', async () => {
  const path = join(lab.folder, 'thousand');
  const made = makeSyntheticDump(path, 1000, { basedOn: real });
  expect(made).toEqual({ path, principals: 1000, bytes: statSync(path).size });
  const text = await loaded(path);
  expect(text).toBe(comparable(readFileSync(path, 'latin1')));
  expect(records(text, 'princ')).toBe(records(real, 'princ') + 1000);
  expect(records(text, 'policy')).toBe(1);
  const shown = await lab.kadminLocal('replica', 'getprinc u000000999');
  expect(shown.stdout).toContain('Number of keys: 1');
});

test.each([
  [4 * 32_768, Number.POSITIVE_INFINITY],
  [4 * 32_768 - 1, Number.POSITIVE_INFINITY],
  [32_768, 20],
  [8 * 32_768, 3],
])(
  'kdb5_util loads a dump of exactly %i bytes with up to %d made-up principals',
  async (exactBytes, most) => {
    const path = join(lab.folder, `exact-${exactBytes}`);
    const made = makeSyntheticDump(path, most, { basedOn: real, exactBytes });
    expect(made.bytes).toBe(exactBytes);
    expect(statSync(path).size).toBe(exactBytes);
    const text = await loaded(path);
    expect(text).toBe(comparable(readFileSync(path, 'latin1')));
    expect(records(text, 'princ')).toBe(records(real, 'princ') + made.principals);
  },
);

test('any size has its dump', () => {
  const path = join(lab.folder, 'any');
  const least = Buffer.byteLength(real, 'latin1') + 1000;
  for (let exactBytes = least; exactBytes < least + 500; exactBytes += 7) {
    makeSyntheticDump(path, Number.POSITIVE_INFINITY, { basedOn: real, exactBytes });
    expect(statSync(path).size).toBe(exactBytes);
  }
});

test('the loader does not like a byte more or less', async () => {
  const path = join(lab.folder, 'broken');
  makeSyntheticDump(path, 3, { basedOn: real });
  const text = readFileSync(path, 'latin1').replace('\tu000000002', '\tu0000000002');
  writeFileSync(path, text, 'latin1');
  const outcome = await lab.run('/usr/sbin/kdb5_util', ['load', path], { role: 'replica' });
  expect(outcome.status).toBe(1);
});

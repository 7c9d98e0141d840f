import { readdirSync } from 'node:fs';

import { expect, test } from 'vitest';

import { catalogue } from '../../src/errors/catalogue/catalogue.ts';
import { KpropError } from '../../src/errors/kprop-error.ts';

const folder = new URL('../../src/errors/catalogue/', import.meta.url);
const files = readdirSync(folder)
  .map((file) => file.replace(/\.ts$/, ''))
  .filter((name) => name !== 'row' && name !== 'catalogue');

test('the prefix of a code is the name of its file', async () => {
  const codes: string[] = [];
  for (const name of files) {
    const exports: Readonly<Record<string, object>> = await import(`${folder}${name}.ts`);
    const own = Object.values(exports).flatMap((rows) => Object.keys(rows));
    expect(own.map((code) => code.split('.')[0])).toEqual(own.map(() => name));
    codes.push(...own);
  }
  expect(codes.sort()).toEqual(Object.keys(catalogue).sort());
});

test.each([
  [['/etc/krb5.conf'], '/etc/krb5.conf does not exist'],
  [['/a', '/b'], '/a and /b do not exist'],
])('of %j it is said that %s', (missing, text) => {
  expect(new KpropError('config.no-realm', { files: [], missing }).toJSON().why).toBe(text);
});

import { expect, test } from 'vitest';

import { nearMiss } from '../../src/server/near-miss.ts';

const name = 'host/kdc1.example.com@EXAMPLE.COM';
const enctype = 'aes256-cts-hmac-sha1-96';
const near = (...lines: readonly string[]) => nearMiss(lines, { name, enctype });

test.each([
  ['host/kdc1.example.com', 'lacks the realm'],
  [` ${name}`, 'begins with a blank'],
  [`\t${name}`, 'begins with a blank'],
  ['host/*@EXAMPLE.COM', 'has a wildcard, which means nothing in this file'],
  ['*', 'has a wildcard, which means nothing in this file'],
  [`${name} aes128-cts`, `demands another encryption type of the ticket than ${enctype}`],
  [`${name} aes512`, 'has something else than the name of an encryption type behind the principal'],
  [`${name},`, 'has more characters right behind the principal'],
  [name.toUpperCase(), 'differs in upper and lower case'],
  ['host/kdc1.example.com@OTHER', 'has another realm'],
  [`# ${name}`, 'is a comment'],
])('%s %s', (line, fault) => {
  expect(near('host/other@EXAMPLE.COM', line)).toEqual({
    line: 2,
    fault,
    text: JSON.stringify(line),
  });
});

test.each([
  ['host/kdc2.example.com@EXAMPLE.COM'],
  ['HTTP/*@EXAMPLE.COM'],
  [''],
  ['host/*.org@EXAMPLE.COM'],
])('nothing is near in: %s', (line) => {
  expect(near(line)).toBeUndefined();
});

test('of several the nearest is named, and a long one is quoted in part', () => {
  const long = `${name} ${'x'.repeat(500)}`;
  expect(near('*', 'host/kdc1.example.com', long)).toMatchObject({ line: 3 });
  expect(near(long)?.text.length).toBeLessThan(100);
});

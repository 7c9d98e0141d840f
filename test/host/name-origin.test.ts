import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { hostsLines, lineWithFirst } from '../../src/host/hosts-file.ts';
import { nameOrigin } from '../../src/host/name-origin.ts';

const file = join(tmpdir(), `hosts-of-test-${process.pid}`);
writeFileSync(
  file,
  '# comment\n127.0.0.1 localhost\n192.0.2.1\tkdc1 kdc1.example.com # the primary\n\n192.0.2.2 kdc2.example.com kdc2\n',
);
const lines = hostsLines(file);
const canonical = { canonicalizeHostname: 'true', rdns: false } as const;

test('/etc/hosts is read with the numbers of its lines', () => {
  expect(lines.map(({ line, names }) => [line, ...names])).toEqual([
    [2, 'localhost'],
    [3, 'kdc1', 'kdc1.example.com'],
    [5, 'kdc2.example.com', 'kdc2'],
  ]);
  expect(hostsLines(`${file}-none`)).toEqual([]);
});

test('a name from a line is said to be, and the line can be put right', () => {
  const { from, line } = nameOrigin('kdc1.example.com', 'kdc1', canonical, lines);
  expect(from).toBe(`from ${file} line 3`);
  expect(line && lineWithFirst('kdc1.example.com', line)).toBe('192.0.2.1 kdc1.example.com kdc1');
});

test('an address leads to its line by rdns', () => {
  const rules = { ...canonical, rdns: true };
  expect(nameOrigin('192.0.2.2', 'kdc2.example.com', rules, lines).from).toBe(
    `from ${file} line 5`,
  );
});

test.each([
  [
    'kdc9',
    'kdc9',
    { ...canonical, canonicalizeHostname: 'false' as const },
    /^dns_canonicalize_hostname = false$/,
  ],
  [
    'kdc9',
    'kdc9.example.com',
    { ...canonical, canonicalizeHostname: 'false' as const },
    /^completed with example\.com/,
  ],
  ['kdc9', 'kdc9', canonical, /no other name was found/],
  ['kdc9', 'other.example.com', canonical, /^from DNS$/],
  ['kdc9', 'other.example.com', { ...canonical, rdns: true }, /^from DNS \(rdns\)$/],
])('%s became %s', (host, name, rules, from) => {
  expect(nameOrigin(host, name, rules, lines).from).toMatch(from);
});

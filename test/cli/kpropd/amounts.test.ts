import { expect, test } from 'vitest';

import { loadedText, size } from '../../../src/cli/kpropd/amounts.ts';

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1_000, '1.0 kB'],
  [9_949, '9.9 kB'],
  [9_951, '10 kB'],
  [27_123_456, '27 MB'],
  [4_300_000_000, '4.3 GB'],
  [2e15, '2000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(size(bytes)).toBe(text);
});

test('a propagation in a line', () => {
  const event = { kind: 'loaded', bytes: 27_000_000, client: 'host/kdc1@R' } as const;
  const millis = { authenticate: 12, receive: 900, load: 190 };
  const records = { principals: 60_010, policies: 2 };
  expect(loadedText({ ...event, records, millis })).toBe(
    'loaded 27 MB, 60,010 principals from host/kdc1@R in 1.1 s',
  );
  expect(loadedText({ ...event, records: undefined, millis: { ...millis, load: 61_000 } })).toBe(
    'loaded 27 MB from host/kdc1@R in 62 s',
  );
});

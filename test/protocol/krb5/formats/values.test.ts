import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import {
  expandTokens,
  parseBoolean,
  parseDuration,
  parseInteger,
} from '../../../../src/protocol/krb5/formats/values.ts';

type Cases<T> = readonly (readonly [text: string, value: T | null])[];
const vectors: { durations: Cases<number>; integers: Cases<number>; booleans: Cases<boolean> } =
  JSON.parse(
    readFileSync(new URL('../../../vectors/formats-values.json', import.meta.url), 'utf8'),
  );

describe('as libkrb5 reads them', () => {
  test.each(vectors.durations)('duration %j is %j', (text, seconds) => {
    expect(parseDuration(text) ?? null).toBe(seconds);
  });
  test.each(vectors.integers)('integer %j is %j', (text, value) => {
    expect(parseInteger(text) ?? null).toBe(value);
  });
  test.each(vectors.booleans)('boolean %j is %j', (text, value) => {
    expect(parseBoolean(text) ?? null).toBe(value);
  });
});

describe('expandTokens', () => {
  const tokens = new Map([
    ['uid', '1000'],
    ['null', ''],
  ]);

  test.each([
    ['FILE:/tmp/krb5cc_%{uid}', 'FILE:/tmp/krb5cc_1000'],
    ['%{uid}%{uid}%{null}', '10001000'],
    ['100%/{uid}', '100%/{uid}'],
    ['', ''],
  ])('%s', (text, path) => {
    expect(expandTokens(text, tokens, 'default_ccache_name')).toBe(path);
  });

  test.each([
    ['%{uid', 'without }'],
    ['a%{uid}b%{', 'without }'],
    ['%{nobody}', 'unknown token %{nobody}'],
    ['%{}', 'unknown token %{}'],
  ])('%s is refused', (text, reason) => {
    expect(() => expandTokens(text, tokens, 'default_ccache_name')).toThrow(
      expect.objectContaining({
        code: 'config.value',
        comErrText: 'Invalid argument',
        message: expect.stringContaining(reason),
      }),
    );
  });
});

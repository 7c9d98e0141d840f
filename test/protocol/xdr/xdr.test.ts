import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import {
  bool,
  int16,
  int32,
  nothing,
  opaque,
  uint32,
} from '../../../src/protocol/xdr/primitives.ts';
import {
  arm,
  array,
  type Codec,
  decode,
  encode,
  struct,
  union,
} from '../../../src/protocol/xdr/schema.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

/** The code of the error that a call throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isKpropError(error)) return error.code;
    throw error;
  }
  return 'none';
}

const file = struct('file', { name: opaque, size: uint32, lines: array('lines', opaque) });
const shape = union(
  'shape',
  { circle: arm(1, uint32), square: arm(-2, struct('square', { side: int32, filled: bool })) },
  opaque,
);

// Bytes by hand, from RFC 4506.
const good: readonly (readonly [string, Codec<never>, unknown, string])[] = (
  [
    ['a number', uint32, 0xfffffffe, 'fffffffe'],
    ['a negative number', int32, -2, 'fffffffe'],
    ['a short', int16, -2, 'fffffffe'],
    ['true', bool, true, '00000001'],
    ['nothing', nothing, undefined, ''],
    ['no bytes', opaque, fromHex(''), '00000000'],
    ['one byte and its padding', opaque, fromHex('aa'), '00000001aa000000'],
    ['four bytes', opaque, fromHex('aabbccdd'), '00000004aabbccdd'],
    [
      'a structure',
      file,
      { name: fromHex('6162'), size: 7, lines: [fromHex('41'), fromHex('')] },
      '00000002616200000000000700000002000000014100000000000000',
    ],
    ['an arm', shape, { type: 'circle', value: 9 }, '0000000100000009'],
    [
      'an arm with a structure',
      shape,
      { type: 'square', value: { side: -1, filled: false } },
      'fffffffeffffffff00000000',
    ],
    [
      'an arm without a name',
      shape,
      { type: 77, value: fromHex('01') },
      '0000004d0000000101000000',
    ],
  ] as const
).map(([name, codec, value, hex]) => [name, codec as Codec<never>, value, hex] as const);

describe.each(good)('%s', (_, codec, value, hex) => {
  test('is written and read', () => {
    expect(toHex(encode(codec, value as never))).toBe(hex);
    expect(decode(codec, fromHex(hex))).toEqual(value);
  });

  test('is refused when it is cut short or goes on', () => {
    for (let cut = 0; cut < hex.length / 2; cut += 1) {
      const bytes = fromHex(hex).subarray(0, cut);
      expect(
        codeOf(() => decode(codec, bytes)),
        `${cut} bytes`,
      ).toMatch(/^decode\./);
    }
    const longer = fromHex(`${hex}00`);
    expect(codeOf(() => decode(codec, longer))).toBe('decode.bad-value');
  });
});

test('what is not 0 is true, and a short is the lower half of its unit, as MIT reads them', () => {
  expect(decode(bool, fromHex('00000100'))).toBe(true);
  expect(decode(int16, fromHex('12340008'))).toBe(8);
  expect(decode(int16, fromHex('0000ffff'))).toBe(-1);
});

test('padding that is not zero is read', () => {
  expect(decode(opaque, fromHex('00000001aabbccdd'))).toEqual(fromHex('aa'));
});

test.each([
  ['four thousand million items', 'ffffffff'],
  ['one item more than there can be', '00000003000000010000000200000003'.slice(0, -8)],
])('an array that claims %s takes no memory', (_, hex) => {
  const before = process.memoryUsage().heapTotal;
  expect(codeOf(() => decode(array('numbers', uint32), fromHex(hex)))).toMatch(/^decode\./);
  expect(process.memoryUsage().heapTotal - before).toBeLessThan(50e6);
});

test('an error names the place', () => {
  const hex = '000000016100000000000007000000020000000141000000000000ff';
  expect(() => decode(file, fromHex(hex))).toThrow(/file/);
});

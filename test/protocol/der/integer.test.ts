import fc from 'fast-check';
import { expect, test } from 'vitest';

import { integerContent, integerOf } from '../../../src/protocol/der/integer.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

test.each([
  [0, '00'],
  [127, '7f'],
  [128, '0080'],
  [255, '00ff'],
  [256, '0100'],
  [-1, 'ff'],
  [-128, '80'],
  [-129, 'ff7f'],
  [-256, 'ff00'],
  [2 ** 31, '0080000000'],
  [-(2 ** 31), '80000000'],
  [2 ** 32 - 1, '00ffffffff'],
  [Number.MAX_SAFE_INTEGER, '1fffffffffffff'],
  [Number.MIN_SAFE_INTEGER, 'e0000000000001'],
])('%i is %s', (value, content) => {
  expect(toHex(integerContent(value))).toBe(content);
  expect(integerOf(fromHex(content), 'it', value, value)).toBe(value);
});

test('every number comes back, and from one encoding only', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const content = integerContent(value);
      expect(integerOf(content, 'it', value, value)).toBe(value);
      const padding = (content[0] as number) & 0x80 ? 0xff : 0;
      const longer = Uint8Array.of(padding, ...content);
      expect(() => integerOf(longer, 'it', value, value)).toThrow('it holds a number that is not');
    }),
  );
});

test('what is out of range is named', () => {
  expect(() => integerOf(fromHex('05'), 'AP-REQ.pvno', 6, 9)).toThrow('AP-REQ.pvno holds 5,');
  expect(() => integerOf(fromHex('0a'), 'AP-REQ.pvno', 6, 9)).toThrow('AP-REQ.pvno holds 10,');
  const huge = fromHex('7fffffffffffffff');
  expect(() => integerOf(huge, 'it', 0, 0xffffffff)).toThrow('which is out of range');
});

test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%d is not written', (value) => {
  expect(() => integerContent(value)).toThrow(RangeError);
});

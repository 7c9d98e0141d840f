import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { DerReader } from '../../../src/protocol/der/reader.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

/** SEQUENCE { [0] 5, [1] OCTET STRING aabb } */
const sample = '300da003020105a1060404aabbccdd';

test('elements are entered, read and left', () => {
  const reader = new DerReader(fromHex(sample), 'it');
  reader.enter(0x30);
  expect(reader.integerField(0, 0, 9)).toBe(5);
  expect(reader.next).toBe(0xa1);
  expect(reader.open()).toBe(0xa1);
  expect(toHex(reader.content(0x04))).toBe('aabbccdd');
  expect(reader.next).toBeUndefined();
  reader.finish();
});

test('content is a view', () => {
  const bytes = fromHex('0402aabb');
  expect(new DerReader(bytes, 'it').content(0x04).buffer).toBe(bytes.buffer);
});

test('what was not read cannot be left, unless it is skipped', () => {
  const reader = new DerReader(fromHex(sample), 'it');
  reader.enter(0x30);
  expect(codeOf(() => reader.leave())).toBe('decode.bad-value');
  expect(codeOf(() => reader.finish())).toBe('decode.bad-value');
  reader.skip();
  reader.finish();
});

describe('a header', () => {
  test.each([
    ['nothing', '', 'decode.truncated'],
    ['a tag alone', '30', 'decode.truncated'],
    ['a tag of several bytes', '3f2100', 'decode.bad-value'],
    ['an indefinite length', '30800000', 'decode.bad-value'],
    ['a length of five bytes', '30850000000001aa', 'decode.bad-value'],
    ['a length that a shorter form could say', '308101aa', 'decode.bad-value'],
    ['a length whose bytes are missing', '3082ff', 'decode.truncated'],
    ['a length past the end', '3084ffffffff', 'decode.truncated'],
    ['content past the end', '3002aa', 'decode.truncated'],
  ])('with %s is refused', (_title, bytes, code) => {
    expect(codeOf(() => new DerReader(fromHex(bytes), 'it').open())).toBe(code);
  });

  test('inside an element is bounded by that element, not by the message', () => {
    for (const inner of ['3001a0ffff', '3002a0821234', '3002a001aabb']) {
      const reader = new DerReader(fromHex(inner), 'it');
      reader.enter(0x30);
      expect(codeOf(() => reader.open())).toBe('decode.truncated');
    }
  });
});

test('zero bytes behind it are allowed up to a limit, others never', () => {
  const finish = (behind: string, paddingBytes?: number) => {
    const reader = new DerReader(fromHex(`0401aa${behind}`), 'it');
    reader.content(0x04);
    reader.finish(paddingBytes);
  };
  finish('');
  finish('0000', 2);
  finish('00', 2);
  expect(codeOf(() => finish('00'))).toBe('decode.trailing');
  expect(codeOf(() => finish('000000', 2))).toBe('decode.trailing');
  expect(codeOf(() => finish('0001', 2))).toBe('decode.trailing');
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (isKpropError(error)) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import {
  int32,
  kerberosTime,
  octetString,
  stringBytes,
  withRaw,
} from '../../../src/protocol/der/primitives.ts';
import {
  application,
  type Codec,
  decode,
  encode,
  field,
  optional,
  sequence,
  sequenceOf,
} from '../../../src/protocol/der/schema.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

const pair = sequence('Pair', { first: field(0, int32), second: optional(2, octetString) });
const wrapped = application(5, pair, [6]);
const list = sequenceOf('List', int32);

describe('what the tables write and read', () => {
  test.each<[string, Codec<never>, unknown, string]>([
    ['a sequence', pair as never, { first: 5, second: fromHex('aa') }, '300aa003020105a2030401aa'],
    ['an absent component', pair as never, { first: 5 }, '3005a003020105'],
    ['an application tag', wrapped as never, { first: 5 }, '65073005a003020105'],
    ['an empty list', list as never, [], '3000'],
    ['a list', list as never, [1, -1], '30060201010201ff'],
  ])('%s', (_title, codec, value, bytes) => {
    expect(toHex(encode(codec, value as never))).toBe(bytes);
    expect(decode(codec, fromHex(bytes))).toEqual(value);
    expect(toHex(encode(codec, decode(codec, fromHex(bytes))))).toBe(bytes);
    expect(decode(codec, encode(codec, value as never))).toEqual(value);
  });

  test('components are written in the order of their tags, whatever the table says', () => {
    const swapped = sequence('Swapped', { late: field(1, int32), early: field(0, int32) });
    expect(toHex(encode(swapped, { late: 2, early: 1 }))).toBe('300aa003020101a103020102');
  });

  test('a second tag is read, and never written', () => {
    expect(decode(wrapped, fromHex('66073005a003020105'))).toEqual({ first: 5 });
    expect(toHex(encode(wrapped, { first: 5 }))).toBe('65073005a003020105');
  });

  test('a byte string that looks like DER is left alone', () => {
    expect(toHex(decode(octetString, fromHex('04053003020105')))).toBe('3003020105');
    expect(toHex(decode(octetString, fromHex('04023080')))).toBe('3080');
  });

  test('what was kept raw is written as it came', () => {
    const latin1 = fromHex('3007a20504034ae972');
    const raw = withRaw(sequence('Raw', { name: field(2, octetString) }));
    expect(toHex(encode(raw, decode(raw, latin1)))).toBe(toHex(latin1));
    const text = withRaw(stringBytes);
    expect(toHex(encode(text, decode(text, fromHex('1b034ae972'))))).toBe('1b034ae972');
  });
});

describe('what is not DER of this schema is refused', () => {
  test.each([
    ['nothing at all', '', 'decode.truncated'],
    ['one byte', '30', 'decode.truncated'],
    ['a byte behind', '3005a00302010500', 'decode.trailing'],
    ['a second value behind', '3005a0030201053005a003020105', 'decode.trailing'],
    ['an unknown field', '300aa003020105a3030401aa', 'decode.bad-value'],
    ['a field twice', '300aa003020105a003020105', 'decode.bad-value'],
    ['fields in the wrong order', '300aa2030401aaa003020105', 'decode.missing-field'],
    ['a missing field', '3005a2030401aa', 'decode.missing-field'],
    ['an empty sequence', '3000', 'decode.missing-field'],
    ['a set in place of the sequence', '3105a003020105', 'decode.unexpected-tag'],
    ['a primitive sequence', '1005a003020105', 'decode.unexpected-tag'],
    ['a byte string for the integer', '3005a003040105', 'decode.unexpected-tag'],
    ['a constructed integer', '3005a003220105', 'decode.truncated'],
    ['a constructed octet string', '300ca003020105a20524030401aa', 'decode.unexpected-tag'],
    ['a primitive context tag', '30058003020105', 'decode.unexpected-tag'],
    ['an application tag for the context tag', '30056003020105', 'decode.missing-field'],
    ['two values in a field', '3008a006020105020105', 'decode.bad-value'],
    ['no value in a field', '3002a000', 'decode.bad-value'],
    ['a length of two bytes that one could say', '308105a003020105', 'decode.bad-value'],
    ['a length with a leading zero', '30820005a003020105', 'decode.bad-value'],
    ['an inner length that is not minimal', '3006a08103020105', 'decode.bad-value'],
    ['an indefinite length', '3080a0030201050000', 'decode.bad-value'],
    ['an inner indefinite length', '3007a0800201050000', 'decode.bad-value'],
    ['a length of five bytes', '30850000000005a003020105', 'decode.bad-value'],
    ['a length of four bytes past the end', '3084ffffffffa003020105', 'decode.truncated'],
    ['a child longer than its parent', '3005a004020105', 'decode.truncated'],
    ['a grandchild longer than its parent', '3006a00302020501', 'decode.truncated'],
    ['a parent longer than its children', '3006a00302010500', 'decode.truncated'],
    ['a tag number of two bytes', '3f8105a003020105', 'decode.bad-value'],
  ])('%s', (_title, bytes, code) => {
    expect(() => decode(pair, fromHex(bytes))).toThrow(KpropError);
    expect(codeOf(() => decode(pair, fromHex(bytes)))).toBe(code);
  });

  test('every prefix', () => {
    const bytes = encode(wrapped, { first: 70_000, second: fromHex('010203') });
    for (let end = 0; end < bytes.length; end += 1) {
      expect(codeOf(() => decode(wrapped, bytes.subarray(0, end)))).toBe('decode.truncated');
    }
  });

  test('the wrong application tag, and a tag that only others may read', () => {
    expect(codeOf(() => decode(wrapped, fromHex('67073005a003020105')))).toBe(
      'decode.unexpected-tag',
    );
    expect(codeOf(() => decode(wrapped, fromHex('a5073005a003020105')))).toBe(
      'decode.unexpected-tag',
    );
  });

  test('the place is named', () => {
    const outer = sequence('Outer', { items: field(0, sequenceOf('items', pair)) });
    const good = encode(outer, { items: [{ first: 5 }, { first: 6 }] });
    expect(decode(outer, good).items).toHaveLength(2);
    const bad = Uint8Array.from(good);
    bad[bad.length - 3] = 0x04; // the tag of the last integer
    expect(() => decode(outer, bad)).toThrow(/Outer\.items\[1\]\.first should be UNIVERSAL 2/);
  });

  test('a tower of tags, before the stack is at its end', () => {
    let tower = fromHex('020105');
    for (let depth = 0; depth < 40; depth += 1) {
      tower = Uint8Array.of(0x30, tower.length, ...tower);
    }
    expect(codeOf(() => decode(list, tower))).toBe('decode.bad-value');
    const deep = new Uint8Array(1 << 20);
    for (let at = 0; at < deep.length; at += 4) {
      const rest = deep.length - at - 4;
      deep.set([0x30, 0x83, rest >> 16, (rest >> 8) & 0xff], at);
    }
    expect(codeOf(() => decode(list, deep))).toBe('decode.bad-value');
  });

  test('a crowd of values', () => {
    const crowd = new Uint8Array(4 + 3 * 20_000);
    crowd.set([0x30, 0x82, 0xea, 0x60]);
    for (let at = 4; at < crowd.length; at += 3) crowd.set([2, 1, 5], at);
    expect(codeOf(() => decode(list, crowd))).toBe('decode.bad-value');
  });

  test('more elements than the message may have', () => {
    const seven = encode(list, [1, 2, 3, 4, 5, 6]);
    expect(decode(list, seven, { elements: 7 })).toHaveLength(6);
    expect(codeOf(() => decode(list, seven, { elements: 6 }))).toBe('decode.bad-value');
    expect(decode(list, encode(list, Array(511).fill(1)))).toHaveLength(511);
    expect(codeOf(() => decode(list, encode(list, Array(512).fill(1))))).toBe('decode.bad-value');
  });

  test('more items than a list may have', () => {
    const short = sequenceOf('Short', int32, 3);
    const more = encode(list, [1, 2, 3, 4]);
    expect(decode(short, encode(short, [1, 2, 3]))).toEqual([1, 2, 3]);
    expect(codeOf(() => decode(short, more))).toBe('decode.bad-value');
  });

  test('more than a megabyte, unread', () => {
    expect(codeOf(() => decode(octetString, new Uint8Array((1 << 20) + 1)))).toBe(
      'message.too-long',
    );
  });

  test('a date with a hundred thousand letters', () => {
    const date = new Uint8Array(5 + 200_000).fill(0x31);
    date.set([0x18, 0x83, 0x03, 0x0d, 0x40]);
    expect(codeOf(() => decode(kerberosTime, date))).toBe('decode.bad-value');
  });
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof KpropError ? error.code : String(error);
  }
  return 'nothing was thrown';
}

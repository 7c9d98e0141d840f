import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import {
  flags,
  formatTime,
  int32,
  kerberosTime,
  microseconds,
  octetString,
  seqNumber,
  stringBytes,
  uint32,
  withRaw,
} from '../../../src/protocol/der/primitives.ts';
import { type Codec, decode, encode } from '../../../src/protocol/der/schema.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

const codecs: Readonly<Record<string, Codec<number>>> = {
  int32,
  uint32,
  seqNumber,
  microseconds,
  kerberosTime,
  flags,
};
const text = (value: string) => toHex(Buffer.from(value));
const time = (value: string) => `18${value.length.toString(16).padStart(2, '0')}${text(value)}`;

test.each([
  ['int32', 0, '020100'],
  ['int32', 127, '02017f'],
  ['int32', 128, '02020080'],
  ['int32', -1, '0201ff'],
  ['int32', -128, '020180'],
  ['int32', -129, '0202ff7f'],
  ['int32', -138, '0202ff76'],
  ['int32', 2 ** 31 - 1, '02047fffffff'],
  ['int32', -(2 ** 31), '020480000000'],
  ['uint32', 0, '020100'],
  ['uint32', 2 ** 31 - 1, '02047fffffff'],
  ['uint32', 2 ** 31, '02050080000000'],
  ['uint32', 2 ** 32 - 1, '020500ffffffff'],
  ['seqNumber', 0, '020100'],
  ['seqNumber', 255, '020200ff'],
  ['seqNumber', 0x2b462098, '02042b462098'],
  ['seqNumber', 2 ** 31, '02050080000000'],
  ['seqNumber', 2 ** 32 - 1, '020500ffffffff'],
  ['microseconds', 0, '020100'],
  ['microseconds', 999_999, '02030f423f'],
  ['kerberosTime', 0, time('19700101000000Z')],
  ['kerberosTime', 1_795_355_239, time('20261122134719Z')],
  ['kerberosTime', 951_825_600, time('20000229120000Z')],
  ['kerberosTime', 4_294_967_295, time('21060207062815Z')],
  ['kerberosTime', 253_402_300_799, time('99991231235959Z')],
  ['flags', 0x00000010, '03050000000010'],
  ['flags', 0x80000001, '03050080000001'],
  ['flags', 0, '03050000000000'],
])('%s %i is %s', (name, value, bytes) => {
  const codec = codecs[name]!;
  expect(toHex(encode(codec, value))).toBe(bytes);
  expect(decode(codec, fromHex(bytes))).toBe(value);
  for (let end = 0; end < bytes.length / 2; end += 1) {
    expect(codeOf(codec, bytes.slice(0, 2 * end))).toBe('decode.truncated');
  }
  expect(codeOf(codec, `${bytes}00`)).toBe('decode.trailing');
});

describe('a sequence number of an old implementation, written as a signed number', () => {
  test.each([
    ['020480000000', 2 ** 31],
    ['0202ff00', 2 ** 32 - 256],
    ['0201ff', 2 ** 32 - 1],
    ['020180', 2 ** 32 - 128],
  ])('%s is the same 32 bits, %i', (bytes, value) => {
    expect(decode(seqNumber, fromHex(bytes))).toBe(value);
    expect(codeOf(uint32, bytes)).toBe('decode.bad-value');
  });
});

describe('refused', () => {
  test.each([
    ['int32', 'an empty integer', '0200'],
    ['int32', 'a positive one padded with zeros', '02020005'],
    ['int32', 'a negative one padded with ones', '0202ff80'],
    ['int32', 'one above 2^31 - 1', '02050080000000'],
    ['int32', 'one below -2^31', '0205ff7fffffff'],
    ['int32', 'nine bytes', '0209010000000000000000'],
    ['int32', 'a million bytes', '0283000fa0'.padEnd(10, '0')],
    ['uint32', 'a negative one', '0201ff'],
    ['uint32', '2^32', '02050100000000'],
    ['uint32', 'a padded one', '0206000080000000'],
    ['seqNumber', '2^32', '02050100000000'],
    ['seqNumber', 'less than -2^31', '0205ff7fffffff'],
    ['seqNumber', 'a padded one', '0205ff80000000'],
    ['microseconds', 'a million', '02030f4240'],
    ['microseconds', 'a negative one', '0201ff'],
    ['kerberosTime', 'a fraction', time('20261122134719.5Z')],
    ['kerberosTime', 'no Z', time('20261122134719')],
    ['kerberosTime', 'a small z', time('20261122134719z')],
    ['kerberosTime', 'an offset', time('20261122134719+0100')],
    ['kerberosTime', 'no seconds', time('202611221347Z')],
    ['kerberosTime', 'a thirteenth month', time('20261322134719Z')],
    ['kerberosTime', 'the 31st of February', time('20260231134719Z')],
    ['kerberosTime', 'the 29th of February of no leap year', time('20270229000000Z')],
    ['kerberosTime', 'hour 24', time('20261122240000Z')],
    ['kerberosTime', 'second 60', time('20261231235960Z')],
    ['kerberosTime', 'a blank', time('2026112213471 Z')],
    ['kerberosTime', 'a NUL behind', time('20261122134719Z\0')],
    ['kerberosTime', 'nothing', time('')],
    ['flags', 'less than 32', '0304000000ff'],
    ['flags', 'unused bits', '030501000000fe'],
    ['flags', 'no content', '0300'],
  ])('%s: %s', (name, _title, bytes) => {
    expect(codeOf(codecs[name]!, bytes)).toMatch(/^decode\./);
  });

  test.each(Object.entries(codecs))('%s under another tag', (_name, codec) => {
    expect(codeOf(codec, '040105')).toBe('decode.unexpected-tag');
    expect(codeOf(codec, '3003020105')).toBe('decode.unexpected-tag');
    expect(codeOf(codec, 'a203020105')).toBe('decode.unexpected-tag');
  });
});

test('flags past the 32nd are not looked at', () => {
  expect(decode(flags, fromHex('0307000000001000ff'))).toBe(0x00000010);
});

test('bytes and strings are kept as they are, whatever they hold', () => {
  const every = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  for (const codec of [octetString, stringBytes]) {
    expect(decode(codec, encode(codec, every))).toEqual(every);
    expect(decode(codec, encode(codec, new Uint8Array(0)))).toHaveLength(0);
  }
  expect(toHex(encode(stringBytes, fromHex('766d')))).toBe('1b02766d');
  expect(codeOf(stringBytes, '0c02766d')).toBe('decode.unexpected-tag');
});

test('withRaw keeps the very bytes beside the value', () => {
  const codec = withRaw(seqNumber);
  const old = decode(codec, fromHex('020480000000'));
  expect(old.value).toBe(2 ** 31);
  expect(toHex(old.raw)).toBe('020480000000');
  // Written anew it would be five bytes: a checksum over it would not verify.
  expect(toHex(encode(codec, old))).toBe('020480000000');
});

test('formatTime', () => {
  expect(formatTime(1_795_355_239)).toBe('20261122134719Z');
});

function codeOf(codec: Codec<never> | Codec<number> | Codec<Uint8Array>, bytes: string): string {
  try {
    decode(codec as Codec<unknown>, fromHex(bytes));
  } catch (error) {
    return error instanceof KpropError ? error.code : String(error);
  }
  return 'nothing was thrown';
}

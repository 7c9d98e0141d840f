import { expect, test } from 'vitest';

import { int32, seqNumber } from '../../../src/protocol/der/primitives.ts';
import { encodeField, field } from '../../../src/protocol/der/schema.ts';
import {
  constructed,
  integerField,
  primitive,
  verbatim,
  write,
} from '../../../src/protocol/der/writer.ts';
import { fromHex, toHex } from '../../support/wire/transcripts.ts';

test.each([
  ['an octet string', primitive(0x04, fromHex('aabb')), '0402aabb'],
  ['one of a context', primitive(0x80, fromHex('aa')), '8001aa'],
  ['an empty sequence', constructed(0x30, []), '3000'],
  ['a field', constructed(0xa3, [primitive(0x02, fromHex('05'))]), 'a303020105'],
  ['an application tag', constructed(0x7e, [constructed(0x30, [])]), '7e023000'],
  ['128 bytes', primitive(0x04, new Uint8Array(128)), `048180${'00'.repeat(128)}`],
])('%s', (_title, node, bytes) => {
  expect(toHex(write(node))).toBe(bytes);
});

test.each(['0402aabb', '3003020105', '6e053003020105', 'a003020105', '3000'])(
  '%s is written as it is, alone and inside',
  (bytes) => {
    expect(toHex(write(verbatim(fromHex(bytes), 'it')))).toBe(bytes);
    const inside = write(constructed(0x30, [verbatim(fromHex(bytes), 'it')]));
    expect(toHex(inside)).toBe(`30${(bytes.length / 2).toString(16).padStart(2, '0')}${bytes}`);
  },
);

test.each([
  ['nothing', ''],
  ['half an element', '300302'],
  ['an element and more', '300000'],
  ['an indefinite length', '30800000'],
])('%s is not written as it is', (_title, bytes) => {
  expect(() => verbatim(fromHex(bytes), 'it')).toThrow(/^it /);
});

test.each([0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1])('the field of %i', (value) => {
  expect(toHex(integerField(3, value))).toBe(toHex(encodeField(field(3, seqNumber), value)));
});

test('the field of a negative number', () => {
  expect(toHex(integerField(0, -133))).toBe('a0040202ff7b');
  expect(toHex(encodeField(field(0, int32), -133))).toBe('a0040202ff7b');
});

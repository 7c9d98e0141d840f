import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../../src/errors/kprop-error.ts';
import { systemAmbient } from '../../../../src/protocol/ambient.ts';
import { makeChecksum, verifyChecksum } from '../../../../src/protocol/krb5/crypto/checksum.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

interface ChecksumVector {
  readonly source: string;
  readonly enctype: number;
  readonly key: string;
  readonly usage: number;
  readonly data: string;
  readonly expect: string;
}

test.each(vectors<ChecksumVector>('checksum'))(
  '$source: enctype $enctype, usage $usage, over $data',
  (row) => {
    const key = Key.of(row.enctype, fromHex(row.key));
    expect(toHex(makeChecksum(key, row.usage, fromHex(row.data)))).toBe(row.expect);
    verifyChecksum(key, row.usage, fromHex(row.data), fromHex(row.expect));
  },
);

describe.each(enctypes)('a checksum of enctype %d', (enctype) => {
  const key = Key.random(enctype, systemAmbient());
  const data = fromHex('00112233445566778899aabbccddeeff0011');
  const sum = makeChecksum(key, 15, data);

  test('has the length that its profile states', () => {
    expect(sum).toHaveLength(key.profile.macBytes);
  });

  test('is refused when it, the data, the usage or the key is another', () => {
    const other = Key.random(enctype, systemAmbient());
    expect(verdict(key, 15, data, sum)).toBe('good');
    expect(verdict(key, 14, data, sum)).toBe('crypto.integrity');
    expect(verdict(other, 15, data, sum)).toBe('crypto.integrity');
    expect(verdict(key, 15, data.subarray(1), sum)).toBe('crypto.integrity');
    for (let at = 0; at < sum.length; at++) {
      const changed = Uint8Array.from(sum, (byte, index) => (index === at ? byte ^ 1 : byte));
      expect(verdict(key, 15, data, changed)).toBe('crypto.integrity');
      expect(verdict(key, 15, data, sum.subarray(0, at))).toBe('crypto.integrity');
    }
  });
});

function verdict(key: Key, usage: number, data: Uint8Array, sum: Uint8Array): string {
  try {
    verifyChecksum(key, usage, data, sum);
    return 'good';
  } catch (error) {
    if (!isKpropError(error)) throw error;
    return error.code;
  }
}

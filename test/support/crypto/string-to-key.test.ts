import { expect, test } from 'vitest';

import { isKpropError } from '../../../src/errors/kprop-error.ts';
import { fromHex, toHex, vectors } from '../../protocol/krb5/crypto/vectors.ts';
import { stringToKey } from './string-to-key.ts';

interface StringToKeyVector {
  readonly source: string;
  readonly enctype: number;
  readonly password: string;
  readonly salt: string;
  readonly rounds?: number;
  readonly expect: string;
}

test.each(vectors<StringToKeyVector>('string-to-key'))(
  '$source: enctype $enctype, "$password", salt $salt, rounds $rounds',
  (row) => {
    const o = row.rounds === undefined ? {} : { rounds: row.rounds };
    expect(toHex(stringToKey(row.enctype, row.password, fromHex(row.salt), o).bytes)).toBe(
      row.expect,
    );
  },
);

test.each([0, -1, 0x1000001, Number.NaN])('an iteration count of %d is refused', (rounds) => {
  expect(() => stringToKey(18, 'password', fromHex(''), { rounds })).toThrow(RangeError);
});

test('an unknown enctype has no string-to-key', () => {
  try {
    stringToKey(1, 'password', fromHex(''));
    expect.unreachable();
  } catch (error) {
    expect(isKpropError(error, 'crypto.unsupported-enctype')).toBe(true);
  }
});

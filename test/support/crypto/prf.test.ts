import { describe, expect, test } from 'vitest';

import { concat, utf8 } from '../../../src/protocol/bytes.ts';
import { cmac } from '../../../src/protocol/krb5/crypto/cmac.ts';
import { randomToKey } from '../../../src/protocol/krb5/crypto/derive.ts';
import { Key } from '../../../src/protocol/krb5/crypto/key.ts';
import { fromHex, toHex, vectors } from '../../protocol/krb5/crypto/vectors.ts';
import { deriveKey } from './derive-key.ts';
import { prf } from './prf.ts';
import { stringToKey } from './string-to-key.ts';

interface PrfVector {
  readonly source: string;
  readonly enctype: number;
  readonly key: string;
  readonly input: string;
  readonly expect: string;
}

test.each(vectors<PrfVector>('prf'))('$source: PRF of enctype $enctype', (row) => {
  const key = Key.of(row.enctype, fromHex(row.key));
  expect(toHex(prf(key, fromHex(row.input)))).toBe(row.expect);
});

interface CombinedVector {
  readonly source: string;
  readonly enctype: number;
  readonly expect: string;
}

// No PRF values of these types are published alone; KRB-FX-CF2 of RFC 6113 §5.1 shows them.
test.each(vectors<CombinedVector>('fx-cf2'))(
  '$source: two keys of enctype $enctype combined through the PRF',
  (row) => {
    const first = stringToKey(row.enctype, 'key1', utf8('key1'));
    const second = stringToKey(row.enctype, 'key2', utf8('key2'));
    const mask = stretched(second, 'b');
    const seed = stretched(first, 'a').map((byte, index) => byte ^ mask[index]!);
    expect(toHex(randomToKey(first.profile, seed))).toBe(row.expect);
  },
);

describe.each([25, 26])('PRF of enctype %d', (enctype) => {
  test('is CMAC under the key derived for "prf" (RFC 6803 §6)', () => {
    const key = stringToKey(enctype, 'key1', utf8('key1'), { rounds: 1 });
    const prfKey = deriveKey(key.profile, key.bytes, 'prf');
    expect(prf(key, utf8('test'))).toEqual(cmac(key.profile.cbcCipher, prfKey, [utf8('test')]));
  });
});

/** PRF+ of RFC 6113 §5.1, as many bytes as a seed has. */
function stretched(key: Key, pepper: string): Uint8Array {
  const { seedBytes } = key.profile;
  let bytes = new Uint8Array(0);
  for (let counter = 1; bytes.length < seedBytes; counter++) {
    bytes = new Uint8Array(concat(bytes, prf(key, concat(Uint8Array.of(counter), utf8(pepper)))));
  }
  return bytes.subarray(0, seedBytes);
}

import { describe, expect, test } from 'vitest';

import { utf8 } from '../../../../src/protocol/bytes.ts';
import {
  deriveRandom,
  type KeyPurpose,
  nFold,
  randomToKey,
} from '../../../../src/protocol/krb5/crypto/derive.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { profileOf } from '../../../../src/protocol/krb5/crypto/profiles.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

interface NFoldVector {
  readonly source: string;
  readonly input: string;
  readonly bits: number;
  readonly expect: string;
}

test.each(vectors<NFoldVector>('n-fold'))('n-fold of "$input" to $bits bits', (row) => {
  expect(toHex(nFold(utf8(row.input), row.bits / 8))).toBe(row.expect);
});

interface Des3Vector {
  readonly source: string;
  readonly enctype: number;
  readonly key: string;
  readonly constant: string;
  readonly random: string;
  readonly expect: string;
}

test.each(vectors<Des3Vector>('derive-des3'))('DR and DK of $key with $constant', (row) => {
  const profile = profileOf(row.enctype);
  const random = deriveRandom(profile, fromHex(row.key), fromHex(row.constant));
  expect(toHex(random)).toBe(row.random);
  expect(toHex(randomToKey(profile, random))).toBe(row.expect);
});

interface UsageKeyVector {
  readonly source: string;
  readonly enctype: number;
  readonly key: string;
  readonly usage: number;
  readonly purpose: KeyPurpose;
  readonly expect: string;
}

test.each(vectors<UsageKeyVector>('usage-keys'))(
  '$purpose key of enctype $enctype, usage $usage',
  (row) => {
    const key = Key.of(row.enctype, fromHex(row.key));
    expect(toHex(key.derived(row.usage, row.purpose))).toBe(row.expect);
  },
);

describe('random-to-key of des3', () => {
  const weakThirds = [
    ['00000000000000', '01010101010101f1'],
    ['ffffffffffffff', 'fefefefefefefe0e'],
  ] as const;

  test.each(weakThirds)('mends the weak third %s', (seed, mended) => {
    expect(toHex(randomToKey(profileOf(16), fromHex(seed.repeat(3))))).toBe(mended.repeat(3));
  });

  test('leaves odd parity in every byte', () => {
    const seed = Uint8Array.from({ length: 21 }, (_, index) => index * 13);
    for (const byte of randomToKey(profileOf(16), seed)) {
      expect(byte.toString(2).replaceAll('0', '').length % 2).toBe(1);
    }
  });
});

import { expect, test } from 'vitest';

import { concat, utf8 } from '../../../../src/protocol/bytes.ts';
import { CipherChain } from '../../../../src/protocol/krb5/crypto/cipher.ts';
import { profileOf } from '../../../../src/protocol/krb5/crypto/profiles.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

interface CtsVector {
  readonly source: string;
  readonly cipher: string;
  readonly key: string;
  readonly plain: string;
  readonly expect: string;
  readonly state: string;
}

const profile = profileOf(17);

function encipher(
  chain: CipherChain,
  key: Uint8Array,
  ...plain: readonly Uint8Array[]
): Uint8Array {
  const run = chain.gather(plain.map((message) => [message]));
  return concat(...chain.encipher(key, run).map(({ sealed }) => sealed));
}

test.each(vectors<CtsVector>('cts'))('$source: "$plain"', (row) => {
  const key = fromHex(row.key);
  const plain = utf8(row.plain);
  const sealing = new CipherChain(profile);
  const sealed = encipher(sealing, key, plain);
  expect(toHex(sealed)).toBe(row.expect);
  expect(toHex(sealing.state)).toBe(row.state);

  const opening = new CipherChain(profile);
  const o = { byteCount: plain.length, inPlace: false };
  expect(toHex(opening.decipher(key, fromHex(row.expect), o))).toBe(toHex(plain));
  expect(toHex(opening.state)).toBe(row.state);
});

test('a lone block leaves the state as it was', () => {
  const key = new Uint8Array(16).fill(7);
  const chain = new CipherChain(profile);
  encipher(chain, key, new Uint8Array(20));
  const before = toHex(chain.state);
  const block = encipher(chain, key, new Uint8Array(16));
  expect(toHex(chain.state)).toBe(before);
  // An all-zero block in CBC enciphers the state itself, and does so every time.
  expect(encipher(chain, key, new Uint8Array(16))).toEqual(block);
});

test('a chain serves one direction and one key', () => {
  const key = new Uint8Array(16);
  const chain = new CipherChain(profile);
  encipher(chain, key, new Uint8Array(32));
  const o = { byteCount: 32, inPlace: false };
  expect(() => chain.decipher(key, new Uint8Array(32), o)).toThrow('one direction');
  expect(() => encipher(chain, new Uint8Array(16), new Uint8Array(32))).toThrow('one key');
});

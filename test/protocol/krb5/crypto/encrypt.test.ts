import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../../src/errors/kprop-error.ts';
import { systemAmbient } from '../../../../src/protocol/ambient.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { CipherChain } from '../../../../src/protocol/krb5/crypto/cipher.ts';
import {
  type DecryptOptions,
  decrypt,
  encrypt,
  encryptRun,
} from '../../../../src/protocol/krb5/crypto/encrypt.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

const ambient = systemAmbient();
const lengths = [0, 1, 15, 16, 17, 31, 32, 33, 32_767, 32_768, 32_769, 0, 5];

interface EncryptVector {
  readonly source: string;
  readonly enctype: number;
  readonly key: string;
  readonly usage: number;
  readonly plain: string;
  readonly confounder: string;
  readonly expect: string;
}

test.each(vectors<EncryptVector>('encrypt'))(
  '$source: enctype $enctype, usage $usage, "$plain"',
  (row) => {
    const key = Key.of(row.enctype, fromHex(row.key));
    const o = { ambient, confounder: fromHex(row.confounder) };
    expect(toHex(encrypt(key, row.usage, fromHex(row.plain), o))).toBe(row.expect);
    expect(toHex(decrypt(key, row.usage, fromHex(row.expect)))).toBe(row.plain);
  },
);

describe.each(enctypes)('enctype %d', (enctype) => {
  const key = Key.random(enctype, ambient);

  test.each(lengths)('%d bytes come back from a message on its own', (byteCount) => {
    const plain = sample(byteCount);
    const cipher = encrypt(key, 11, plain, { ambient });
    const kept = Uint8Array.from(cipher);
    expect(same(decrypt(key, 11, cipher), padded(key, plain))).toBe(true);
    expect(same(cipher, kept)).toBe(true);
    expect(same(decrypt(key, 11, cipher, { inPlace: true }), padded(key, plain))).toBe(true);
  });

  test.each([true, false])('all lengths come back from one chain, in place: %s', (inPlace) => {
    const sealing = new CipherChain(key.profile);
    const opening = new CipherChain(key.profile);
    for (const byteCount of [...lengths, ...lengths]) {
      const plain = sample(byteCount);
      const parts = [plain.subarray(0, 3), plain.subarray(3, 9), plain.subarray(9)];
      const sealed = concat(...encryptRun(key, 13, [parts], { ambient, chain: sealing }).flat());
      // A Buffer, whose slice is a view, must be as safe as an array.
      const cipher = Buffer.from(sealed);
      const opened = decrypt(key, 13, cipher, { chain: opening, inPlace });
      expect(same(opened, padded(key, plain))).toBe(true);
      if (!inPlace) expect(same(cipher, sealed)).toBe(true);
      expect(toHex(opening.state)).toBe(toHex(sealing.state));
    }
  });

  test('a run of messages is what they are one by one', () => {
    const confounder = sample(key.profile.confounderBytes);
    const messages = lengths.filter((length) => length > 0).map((length) => [sample(length)]);
    const [together, apart] = [new CipherChain(key.profile), new CipherChain(key.profile)];
    const run = encryptRun(key, 13, messages, { ambient, confounder, chain: together });
    for (const [index, message] of messages.entries()) {
      const one = encryptRun(key, 13, [message], { ambient, confounder, chain: apart }).flat();
      expect(same(concat(...(run[index] ?? [])), concat(...one))).toBe(true);
    }
    expect(toHex(together.state)).toBe(toHex(apart.state));
  });

  test('a message of a chain opens in its own place only', () => {
    const chain = new CipherChain(key.profile);
    encrypt(key, 13, sample(100), { ambient, chain });
    const second = encrypt(key, 13, sample(100), { ambient, chain });
    expect(outcome(key, 13, second)).toBe('crypto.integrity');
  });

  test('two messages of the same plaintext differ', () => {
    const plain = sample(40);
    expect(encrypt(key, 1, plain, { ambient })).not.toEqual(encrypt(key, 1, plain, { ambient }));
  });

  test.each([0, 5, 16, 40])('any changed bit of a message of %d bytes is noticed', (byteCount) => {
    const cipher = encrypt(key, 11, sample(byteCount), { ambient });
    for (let bit = 0; bit < cipher.length * 8; bit++) {
      const changed = Uint8Array.from(cipher);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(outcome(key, 11, changed)).toBe('crypto.integrity');
    }
  });

  test.each([0, 5, 16, 40])('any shortening of a message of %d bytes is noticed', (byteCount) => {
    const cipher = encrypt(key, 11, sample(byteCount), { ambient });
    for (let end = 0; end < cipher.length; end++) {
      expect(outcome(key, 11, cipher.subarray(0, end))).toBe('crypto.integrity');
      expect(outcome(key, 11, cipher.slice(0, end), { inPlace: true })).toBe('crypto.integrity');
    }
    expect(outcome(key, 11, concat(cipher, sample(1)))).toBe('crypto.integrity');
    expect(outcome(key, 11, concat(cipher, sample(8)))).toBe('crypto.integrity');
  });

  test('another key and another usage are noticed', () => {
    const cipher = encrypt(key, 11, sample(40), { ambient });
    expect(outcome(Key.random(enctype, ambient), 11, cipher)).toBe('crypto.integrity');
    expect(outcome(key, 12, cipher)).toBe('crypto.integrity');
  });

  test('a chain of another enctype is a mistake of the caller', () => {
    const chain = new CipherChain(Key.random(enctype === 18 ? 17 : 18, ambient).profile);
    expect(() => encrypt(key, 13, sample(1), { ambient, chain })).toThrow('another enctype');
  });
});

function sample(byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, index) => (index * 7 + byteCount) & 0xff);
}

/** What decrypt gives back: with plain CBC the plaintext up to whole blocks. */
function padded(key: Key, plain: Uint8Array): Uint8Array {
  if (key.profile.mode !== 'cbc') return plain;
  return concat(plain, new Uint8Array((8 - (plain.length % 8)) % 8));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function outcome(key: Key, usage: number, cipher: Uint8Array, o?: DecryptOptions): string {
  try {
    decrypt(key, usage, cipher, o);
    return 'opened';
  } catch (error) {
    if (!isKpropError(error)) throw error;
    return error.code;
  }
}

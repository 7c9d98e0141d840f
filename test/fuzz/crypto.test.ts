import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { concat } from '../../src/protocol/bytes.ts';
import { makeChecksum, verifyChecksum } from '../../src/protocol/krb5/crypto/checksum.ts';
import { CipherChain } from '../../src/protocol/krb5/crypto/cipher.ts';
import { decrypt, encrypt } from '../../src/protocol/krb5/crypto/encrypt.ts';
import { enctypes } from '../support/wire/enctypes.ts';
import { seededAmbient } from '../support/wire/fixed-ambient.ts';
import { someKey } from '../support/wire/forge.ts';

const plaintexts = fc.uint8Array({ maxLength: 200 });
const usages = fc.constantFrom(1, 2, 3, 11, 12, 13, 15, 56, 1024);
const seeds = fc.nat();

/** What des3 fills up comes back as zeros. */
const begins = (got: Uint8Array, wanted: Uint8Array) => {
  expect(got.subarray(0, wanted.length)).toEqual(wanted);
  expect(got.length - wanted.length).toBeLessThan(8);
  expect(got.subarray(wanted.length).every((byte) => byte === 0)).toBe(true);
};

const refuses = (act: () => unknown) => {
  let error: unknown;
  try {
    act();
  } catch (caught) {
    error = caught;
  }
  expect(isKpropError(error, 'crypto.integrity')).toBe(true);
};

describe.each(enctypes)('enctype %i', (enctype) => {
  test('what is sealed is opened, with its own key, usage and bytes only', () => {
    const property = fc.property(
      plaintexts,
      usages,
      seeds,
      fc.nat(),
      fc.nat(7),
      (plain, usage, seed, at, bit) => {
        const key = someKey(enctype, seed);
        const cipher = encrypt(key, usage, plain, { ambient: seededAmbient(0, seed) });
        begins(decrypt(key, usage, cipher), plain);

        const place = at % cipher.length;
        const changed = cipher.with(place, (cipher[place] as number) ^ (1 << bit));
        refuses(() => decrypt(key, usage, changed));
        refuses(() => decrypt(key, usage, cipher.subarray(0, place)));
        refuses(() => decrypt(key, usage, concat(cipher, plain, Uint8Array.of(bit))));
        refuses(() => decrypt(someKey(enctype, seed + 1), usage, cipher));
        // RFC 4757 knows one usage by two numbers.
        if (enctype !== 23) refuses(() => decrypt(key, usage + 1, cipher));
      },
    );
    fc.assert(property, { numRuns: 50 });
  });

  test('random bytes are opened never', () => {
    const key = someKey(enctype);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (cipher) =>
        refuses(() => decrypt(key, 13, cipher)),
      ),
      { numRuns: 50 },
    );
  });

  test('a chain is opened in its order, each message once', () => {
    const chains = fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), {
      minLength: 2,
      maxLength: 6,
    });
    const property = fc.property(chains, seeds, fc.nat(), (blocks, seed, pick) => {
      const key = someKey(enctype, seed);
      const ambient = seededAmbient(0, seed);
      const sealing = new CipherChain(key.profile);
      const sealed = blocks.map((block) => encrypt(key, 13, block, { ambient, chain: sealing }));
      const opening = new CipherChain(key.profile);
      for (const [index, cipher] of sealed.entries()) {
        begins(decrypt(key, 13, cipher, { chain: opening }), blocks[index] as Uint8Array);
      }
      const first = pick % (sealed.length - 1);
      const astray = new CipherChain(key.profile);
      for (const cipher of sealed.slice(0, first)) decrypt(key, 13, cipher, { chain: astray });
      refuses(() => decrypt(key, 13, sealed[first + 1] as Uint8Array, { chain: astray }));
    });
    fc.assert(property, { numRuns: 30 });
  });

  test('a checksum is right for its own key, usage and bytes only', () => {
    const property = fc.property(plaintexts, usages, seeds, fc.nat(), (data, usage, seed, at) => {
      const key = someKey(enctype, seed);
      const sum = makeChecksum(key, usage, data);
      expect(sum).toHaveLength(key.profile.macBytes);
      verifyChecksum(key, usage, data, sum);
      const place = at % sum.length;
      refuses(() => verifyChecksum(key, usage, data, sum.subarray(0, place)));
      refuses(() => verifyChecksum(key, usage, data, sum.with(place, (sum[place] as number) ^ 1)));
      refuses(() => verifyChecksum(key, usage, concat(data, Uint8Array.of(0)), sum));
      refuses(() => verifyChecksum(someKey(enctype, seed + 1), usage, data, sum));
    });
    fc.assert(property, { numRuns: 50 });
  });
});

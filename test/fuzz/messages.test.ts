import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { concat } from '../../src/protocol/bytes.ts';
import { decode, encode } from '../../src/protocol/der/schema.ts';
import { decodeSize, encodeSize } from '../../src/protocol/kprop/size.ts';
import {
  encKrbPrivPart,
  krbPriv,
  openPriv,
  openPrivPart,
  privWriter,
} from '../../src/protocol/krb5/messages/priv.ts';
import { codecs } from '../protocol/krb5/messages/codecs.ts';
import { arbitraryMessages, someBytes, uint32 } from '../support/wire/arbitrary-messages.ts';
import { enctypes } from '../support/wire/enctypes.ts';

test('every codec has its values', () => {
  expect(Object.keys(arbitraryMessages).sort()).toEqual(Object.keys(codecs).sort());
});

describe.each(Object.entries(codecs))('%s', (name, codec) => {
  const values = arbitraryMessages[name]!;

  test('what is written is read again as it was', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(codec, encode(codec, value))).toEqual(value);
      }),
    );
  });

  test('only the whole of it is read', () => {
    const property = fc.property(values, fc.nat(), (value, cut) => {
      const der = encode(codec, value);
      expect(codeOf(() => decode(codec, der.subarray(0, cut % der.length)))).toMatch(/^decode\./);
      expect(codeOf(() => decode(codec, concat(der, Uint8Array.of(cut & 0xff))))).toMatch(
        'decode.trailing',
      );
    });
    fc.assert(property);
  });
});

describe('the flat codec of blocks', () => {
  const address = fc.record({ addrType: fc.constantFrom(2, 3, 24), address: someBytes });
  const etypes = fc.constantFrom(...enctypes);

  test('writes what the schema writes, and reads it', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 400 }),
      uint32,
      address,
      etypes,
      (userData, seqNumber, sAddress, etype) => {
        const writer = privWriter(etype, sAddress);
        const part = concat(...writer.part(userData, seqNumber));
        const number = seqNumber === 0 ? {} : { seqNumber };
        expect(part).toEqual(encode(encKrbPrivPart, { userData, sAddress, ...number }));
        expect(openPrivPart(part)).toEqual({ userData, sequenceNumber: seqNumber });

        const message = concat(writer.head(part.length), part);
        const encPart = { etype, cipher: part };
        expect(message).toEqual(encode(krbPriv, { pvno: 5, msgType: 21, encPart }));
        expect(openPriv(message)).toEqual(encPart);
      },
    );
    fc.assert(property);
  });

  test('reads what the schema reads, and refuses what it refuses', () => {
    const messages = fc.record({
      value: arbitraryMessages.encKrbPrivPart!,
      at: fc.nat(),
      bit: fc.nat(7),
    });
    const property = fc.property(messages, ({ value, at, bit }) => {
      const der = encode(codecs.encKrbPrivPart!, value);
      const place = at % der.length;
      const changed = der.with(place, (der[place] as number) ^ (1 << bit));
      for (const bytes of [der, changed]) {
        let bySchema: unknown;
        try {
          const { userData, seqNumber = 0 } = decode(encKrbPrivPart, bytes);
          bySchema = { userData, sequenceNumber: seqNumber };
        } catch {
          expect(codeOf(() => openPrivPart(bytes))).toMatch(/^decode\./);
          continue;
        }
        expect(openPrivPart(bytes)).toEqual(bySchema);
      }
    });
    fc.assert(property, { numRuns: 400 });
  });
});

describe('the size of a dump', () => {
  test('is read as it was written, in one form only', () => {
    const sizes = fc.oneof(fc.maxSafeNat(), uint32, fc.constantFrom(0, 0xffffffff, 0x100000000));
    fc.assert(
      fc.property(sizes, (bytes) => {
        const encoded = encodeSize(bytes);
        expect(encoded).toHaveLength(bytes > 0 && bytes <= 0xffffffff ? 4 : 12);
        expect(decodeSize(encoded)).toBe(bytes);
      }),
    );
    const encodings = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }).map((some) => some.fill(0, 0, 5)),
    );
    fc.assert(
      fc.property(encodings, (some) => {
        let bytes: number;
        try {
          bytes = decodeSize(some);
        } catch (error) {
          expect(isKpropError(error, 'kprop.bad-size')).toBe(true);
          return;
        }
        // Old peers write 0 in 4 bytes.
        if (bytes > 0) expect(encodeSize(bytes)).toEqual(some);
      }),
    );
  });
});

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isKpropError(error)) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

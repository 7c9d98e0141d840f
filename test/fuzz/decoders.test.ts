import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isKpropError, KpropError } from '../../src/errors/kprop-error.ts';
import { decode, encode } from '../../src/protocol/der/schema.ts';
import { acceptApReq } from '../../src/protocol/krb5/session/ap-exchange.ts';
import { survives } from '../support/rig/survives.ts';
import { type DecoderTarget, decoderTargets } from '../support/wire/decoder-targets.ts';
import { type Element, parseTree, writeTree } from '../support/wire/der-tree.ts';
import { enctypes } from '../support/wire/enctypes.ts';
import { seededRandom } from '../support/wire/fixed-ambient.ts';
import { acceptor, forgeApReq, forgeCredential } from '../support/wire/forge.ts';
import { mutated } from '../support/wire/mutations.ts';

/** One of the seeds with something wrong: which, and what, follows from two numbers. */
function mutations({ seeds }: Pick<DecoderTarget, 'seeds'>): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.nat(seeds.length - 1), fc.nat(2 ** 31))
    .map(([pick, seed]) => mutated(seeds[pick]!, seededRandom(seed)));
}

describe.each(decoderTargets)('$title', (target) => {
  const { title, seeds, decode: run, codec } = target;

  test('damaged, it is an error of ours or a value, and soon', () => {
    fc.assert(
      fc.property(mutations(target), (bytes) => void survives(run, bytes)),
      { numRuns: 200 },
    );
  });

  test('random bytes, zeros or ones do no harm', () => {
    const monotonous = fc
      .tuple(fc.nat(1000), fc.constantFrom(0, 0xff, 0x30))
      .map(([length, byte]) => new Uint8Array(length).fill(byte));
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 1000 }), monotonous),
        (bytes) => void survives(run, bytes),
      ),
      { examples: [[new Uint8Array(0)]] },
    );
  });

  test('whole, it is a value', () => {
    // The reply is a real one, but to nothing that was asked here.
    const refused = title === 'an AS-REP, with its checks';
    for (const seed of seeds) expect(survives(run, seed)).toBe(!refused);
  });

  if (codec === undefined) return;

  test('what is accepted is the one encoding of its value', () => {
    for (const seed of seeds) expectOurForm(seed, encode(codec, decode(codec, seed)));
    fc.assert(
      fc.property(mutations(target), (bytes) => {
        let value: unknown;
        try {
          value = decode(codec, bytes);
        } catch {
          return;
        }
        expectOurForm(bytes, encode(codec, value));
      }),
      { numRuns: 200 },
    );
  });

  test('no prefix of it is accepted', () => {
    for (const seed of seeds.slice(0, 1)) {
      for (let end = 0; end < seed.length; end += 1) {
        try {
          decode(codec, seed.subarray(0, end));
        } catch (error) {
          if (isKpropError(error) && error.code.startsWith('decode.')) continue;
          throw error;
        }
        throw new Error(`${end} of ${seed.length} bytes are taken for a whole ${title}`);
      }
    }
  });
});

test('a damaged AP-REQ is refused with an error of ours, whatever the enctype', async () => {
  const seeds = enctypes.map((enctype) => forgeApReq(forgeCredential({ enctype })));
  await fc.assert(
    fc.asyncProperty(mutations({ seeds }), fc.boolean(), async (bytes, anyHost) => {
      await acceptApReq(bytes, acceptor({ anyHost })).then(
        // Some parts of a ticket are nobody's business, such as its kvno for any host's key.
        ({ client }) => expect(client.toString()).toBe('host/primary.example@EXAMPLE.ORG'),
        (error: unknown) => expect(error).toBeInstanceOf(KpropError),
      );
    }),
    { numRuns: 200 },
  );
});

function expectOurForm(read: Uint8Array, written: Uint8Array): void {
  const ours = writeTree(inOurForm(parseTree(read), parseTree(written)));
  expect(Buffer.from(ours).toString('hex')).toBe(Buffer.from(written).toString('hex'));
}

/**
 * What was read, with what is read in old forms as it is written: an EncASRepPart under its own tag,
 * flags beyond the 32nd, and a sequence number as a negative integer.
 */
function inOurForm(read: Element, written: Element | undefined): Element {
  const { tag, content } = read;
  const children = read.children.map((child, at) => inOurForm(child, written?.children[at]));
  if (tag === 0x79 && written?.tag === 0x7a) return { tag: 0x7a, content, children };
  if (tag === 3) return { tag, content: content.slice(0, 5), children };
  if (tag === 2 && written?.content.length === 5 && content.length <= 4 && content[0]! >= 0x80) {
    const number = new DataView(new ArrayBuffer(5));
    number.setInt32(1, Buffer.from(content).readIntBE(0, content.length));
    return { tag, content: new Uint8Array(number.buffer), children };
  }
  return { tag, content, children };
}

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import {
  encKrbPrivPart,
  krbPriv,
  openPriv,
  openPrivPart,
  privWriter,
} from '../../../../src/protocol/krb5/messages/priv.ts';
import { seededRandom } from '../../../support/wire/fixed-ambient.ts';

const lengths = [0, 1, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 1 << 20];
const sequenceNumbers = [0, 1, 127, 128, 255, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const ipv4 = { addrType: 2, address: Uint8Array.of(10, 0, 0, 1) };
const ipv6 = { addrType: 24, address: Uint8Array.from({ length: 16 }, (_, at) => at + 1) };

describe.each(lengths)('a block of %i bytes', (length) => {
  const block = new Uint8Array(length).fill(0x5a);

  test.each(sequenceNumbers)('is written as the schema writes it, number %i', (sequenceNumber) => {
    const flat = concat(...privWriter(18, ipv4).part(block, sequenceNumber));
    const schema = encode(encKrbPrivPart, {
      userData: block,
      ...(sequenceNumber !== 0 && { seqNumber: sequenceNumber }),
      sAddress: ipv4,
    });
    expectSame(flat, schema);
    const opened = openPrivPart(flat);
    expect(opened.sequenceNumber).toBe(sequenceNumber);
    expectSame(opened.userData, block);
  });

  test.each([18, 23, -133, 200])('is wrapped as the schema wraps it, etype %i', (etype) => {
    const flat = concat(privWriter(etype, ipv4).head(length), block);
    const encPart = { etype, cipher: block };
    expectSame(flat, encode(krbPriv, { pvno: 5, msgType: 21, encPart }));
    const opened = openPriv(flat);
    expect(opened.etype).toBe(etype);
    expectSame(opened.cipher, block);
  });
});

test.each([
  ipv4,
  ipv6,
  { addrType: 3, address: Uint8Array.of(0, 0, 0, 1) },
  { addrType: 20, address: new Uint8Array(0) },
  { addrType: -2, address: new Uint8Array(200) },
  { addrType: 300, address: new Uint8Array(300) },
])('an address of type $addrType is written as the schema writes it', (sAddress) => {
  const block = Uint8Array.of(1, 2, 3);
  const schema = encode(encKrbPrivPart, { userData: block, seqNumber: 9, sAddress });
  expectSame(concat(...privWriter(18, sAddress).part(block, 9)), schema);
});

test('one writer serves blocks and numbers of changing sizes', () => {
  const writer = privWriter(18, ipv4);
  for (const [length, number] of [
    [40, 127],
    [40, 128],
    [300, 128],
    [300, 129],
    [40, 2 ** 31],
  ] as const) {
    const block = new Uint8Array(length);
    const schema = encode(encKrbPrivPart, { userData: block, seqNumber: number, sAddress: ipv4 });
    expectSame(concat(...writer.part(block, number)), schema);
    const encPart = { etype: 18, cipher: block };
    expectSame(
      concat(writer.head(length), block),
      encode(krbPriv, { pvno: 5, msgType: 21, encPart }),
    );
  }
});

test('what is opened is a view, so that a block is not copied', () => {
  const message = concat(privWriter(18, ipv4).head(40), new Uint8Array(40));
  expect(openPriv(message).cipher.buffer).toBe(message.buffer);
  const part = concat(...privWriter(18, ipv4).part(new Uint8Array(40), 1));
  expect(openPrivPart(part).userData.buffer).toBe(part.buffer);
});

test('zero bytes behind an EncKrbPrivPart are the padding of whole blocks, up to 16', () => {
  const part = concat(...privWriter(18, ipv4).part(Uint8Array.of(7), 1));
  for (let padding = 0; padding <= 16; padding += 1) {
    expect([...openPrivPart(concat(part, new Uint8Array(padding))).userData]).toEqual([7]);
  }
  expect(() => openPrivPart(concat(part, new Uint8Array(17)))).toThrow(KpropError);
  expect(() => openPrivPart(concat(part, Uint8Array.of(0, 1)))).toThrow(KpropError);
});

const everyByte = Array.from({ length: 256 }, (_, byte) => byte);
/** The tags, lengths and signs that stand in these messages, and their neighbours. */
const tellingBytes = [
  0, 1, 2, 3, 4, 5, 6, 0x15, 0x18, 0x30, 0x75, 0x7c, 0x7f, 0x80, 0x81, 0x82,
].concat([0x83, 0x84, 0x85, 0x95, 0x96, 0x97, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xff]);

interface Sample {
  readonly title: string;
  /** Every value of a byte is tried, else those that matter most. */
  readonly thorough: boolean;
  readonly bytes: Uint8Array;
  readonly flat: (bytes: Uint8Array) => unknown;
  readonly schema: (bytes: Uint8Array) => unknown;
}

const data = Uint8Array.from({ length: 150 }, (_, at) => at + 3);
const fullPart = {
  userData: data,
  timestamp: 1_795_353_959,
  usec: 527_078,
  seqNumber: 0x8000_0001,
  sAddress: ipv4,
  rAddress: ipv6,
};
const samples: readonly Sample[] = [
  priv('KRB-PRIV', { etype: 18, cipher: data }),
  priv('KRB-PRIV with kvno', { etype: 18, kvno: 0x8000_0001, cipher: data }),
  priv('KRB-PRIV with a two-byte etype', { etype: -133, cipher: data }),
  priv('KRB-PRIV without cipher', { etype: 18, cipher: new Uint8Array(0) }),
  part('EncKrbPrivPart', { userData: data, seqNumber: 0x2b46_2098, sAddress: ipv4 }),
  part('EncKrbPrivPart without number', { userData: data.subarray(0, 5), sAddress: ipv4 }),
  part('EncKrbPrivPart with everything', fullPart),
  part('EncKrbPrivPart with usec alone', { ...fullPart, timestamp: undefined }),
];

describe.each(samples)('$title: the flat decoder and the schema agree', (sample) => {
  const { bytes } = sample;
  const values = sample.thorough ? everyByte : tellingBytes;
  const contentAt = Buffer.from(bytes).indexOf(data.subarray(0, 5));
  const isHead = (at: number) =>
    contentAt < 0 || at < contentAt || at >= contentAt + Math.min(data.length, 150);

  test('on the sample itself', () => {
    expect(() => sample.flat(bytes)).not.toThrow();
    expectAgreement(sample, bytes);
  });

  test('on every change of one byte outside the content', () => {
    for (let at = 0; at < bytes.length; at += 1) {
      if (!isHead(at)) continue;
      for (const value of values) {
        const changed = Uint8Array.from(bytes);
        changed[at] = value;
        expectAgreement(sample, changed);
      }
    }
  });

  test('on every prefix, and with more bytes behind', () => {
    for (let end = 0; end < bytes.length; end += 1) {
      expect(() => sample.flat(bytes.subarray(0, end))).toThrow(KpropError);
      expectAgreement(sample, bytes.subarray(0, end));
    }
    expectAgreement(sample, concat(bytes, Uint8Array.of(1)));
  });

  test('on a byte left out or put in anywhere outside the content', () => {
    for (let at = 0; at < bytes.length; at += 1) {
      if (!isHead(at)) continue;
      expectAgreement(sample, concat(bytes.subarray(0, at), bytes.subarray(at + 1)));
      for (const byte of [0x00, 0x01, 0x05, 0x30, 0x80, 0x81, 0x82, 0xff]) {
        const put = Uint8Array.of(byte);
        expectAgreement(sample, concat(bytes.subarray(0, at), put, bytes.subarray(at)));
      }
    }
  });

  test('on five hundred changes of two bytes', () => {
    const random = seededRandom(bytes.length);
    for (let round = 0; round < 500; round += 1) {
      const changed = Uint8Array.from(bytes);
      changed[random(Math.min(48, bytes.length))] = random(256);
      changed[random(bytes.length)] = random(256);
      expectAgreement(sample, changed);
    }
  });
});

test.each([
  ['an etype of 32 bits without sign', 'a005020300ffff', 'a00702050080000000'],
  ['a negative kvno', 'a10302017f', 'a1030201ff'],
])('%s is refused as the schema refuses it', (_title, good, bad) => {
  const version = 'a003020105a103020115';
  const etype = good.startsWith('a0') ? '' : 'a003020112';
  const message = (field: string) => {
    const inner = element(0x30, fromHex(`${etype}${field}a2030401aa`));
    return element(0x75, element(0x30, concat(fromHex(version), element(0xa3, inner))));
  };
  expectAgreement(samples[0]!, message(good));
  expect(() => openPriv(message(good))).not.toThrow();
  expectAgreement(samples[0]!, message(bad));
  expect(() => openPriv(message(bad))).toThrow(KpropError);
});

function priv(title: string, encPart: { etype: number; kvno?: number; cipher: Uint8Array }) {
  return {
    title,
    thorough: title === 'KRB-PRIV' || title === 'EncKrbPrivPart',
    bytes: encode(krbPriv, { pvno: 5, msgType: 21, encPart }),
    flat: (bytes: Uint8Array) => plain(openPriv(bytes)),
    schema: (bytes: Uint8Array) => {
      const { pvno, msgType, encPart: found } = decode(krbPriv, bytes);
      // The flat decoder looks at these itself; after the schema somebody else does.
      if (pvno !== 5 || msgType !== 21) throw new KpropError('decode.missing-field', { what: '' });
      return plain({ etype: found.etype, cipher: found.cipher });
    },
  };
}

function part(title: string, value: Parameters<typeof encode<typeof fullPart>>[1] | object) {
  return {
    title,
    thorough: title === 'KRB-PRIV' || title === 'EncKrbPrivPart',
    bytes: encode(encKrbPrivPart, value as typeof fullPart),
    flat: (bytes: Uint8Array) => plain(openPrivPart(bytes)),
    schema: (bytes: Uint8Array) => {
      const { userData, seqNumber } = decode(encKrbPrivPart, bytes);
      return plain({ userData, sequenceNumber: seqNumber ?? 0 });
    },
  };
}

/** Values as text, which compares fast. */
function plain(value: Readonly<Record<string, number | Uint8Array>>): string {
  return JSON.stringify(value, (_key, item) =>
    item instanceof Uint8Array ? Buffer.from(item).toString('hex') : item,
  );
}

function expectAgreement(sample: Sample, bytes: Uint8Array): void {
  const flat = verdict(sample.flat, bytes);
  const schema = verdict(sample.schema, bytes);
  if (flat !== schema) {
    expect({ bytes: Buffer.from(bytes).toString('hex'), flat }).toEqual({ flat: schema });
  }
}

function verdict(open: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    return open(bytes);
  } catch (error) {
    if (error instanceof KpropError && error.code.startsWith('decode.')) return 'refused';
    throw error;
  }
}

function element(tag: number, content: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag, content.length), content);
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function expectSame(got: Uint8Array, wanted: Uint8Array): void {
  expect(Buffer.from(got).equals(wanted)).toBe(true);
}

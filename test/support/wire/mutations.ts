import { concat } from '../../../src/protocol/bytes.ts';
import { type Element, elementsOf, lengthBytes, parseTree, tlv, writeTree } from './der-tree.ts';

/** A number from 0 to below the limit. */
export type Random = (limit: number) => number;

type Mutation = (bytes: Uint8Array, random: Random) => Uint8Array;

/** The bytes damaged in one to four ways, as anything on the way may damage them. */
export function damaged(seed: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = seed;
  for (let times = 1 + random(4); times > 0 && bytes.length > 0; times -= 1) {
    bytes = damages[random(damages.length)]!(bytes, random);
  }
  return bytes;
}

/**
 * A DER message with one element twisted and all lengths around it right, so that a decoder gets as
 * far as that element; what is no DER is damaged.
 */
export function twisted(seed: Uint8Array, random: Random): Uint8Array {
  const elements = elementsIn(seed);
  const tree = elements[0];
  if (tree === undefined) return damaged(seed, random);
  const at = elements[random(elements.length)]!;
  const other = elements[random(elements.length)]!;
  const twist = twists[random(twists.length)]!;
  return writeTree(tree, { at, as: (tag, content) => twist(tag, content, random, other) });
}

/** The elements of a message, itself first; none if it is no DER. Seeds come again and again. */
function elementsIn(seed: Uint8Array): readonly Element[] {
  let elements = known.get(seed);
  if (elements === undefined) {
    try {
      elements = elementsOf(parseTree(seed));
    } catch {
      elements = [];
    }
    known.set(seed, elements);
  }
  return elements;
}

const known = new WeakMap<Uint8Array, readonly Element[]>();

/** Damaged or twisted, by turns. */
export function mutated(seed: Uint8Array, random: Random): Uint8Array {
  return random(2) === 0 ? damaged(seed, random) : twisted(seed, random);
}

/** Random bytes, most of them few. */
export function noise(random: Random): Uint8Array {
  const length = random(random(20) === 0 ? 5000 : 80);
  return Uint8Array.from({ length }, () => random(256));
}

const edges = [0, 1, 2, 4, 0x1f, 0x24, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff, 0x18, 0x1b, 0x23];

const damages: readonly Mutation[] = [
  (bytes, random) => bytes.with(random(bytes.length), random(256)),
  (bytes, random) => flip(bytes, random(bytes.length), random(8)),
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => bytes.subarray(random(bytes.length)),
  (bytes, random) => splice(bytes, random(bytes.length), random(9), random),
  (bytes, random) => repeated(bytes, random),
  (bytes, random) => bytes.with(random(Math.min(bytes.length, 24)), edges[random(edges.length)]!),
  (bytes, random) => bytes.with(random(bytes.length), edges[random(edges.length)]!),
];

type TwistOf = (tag: number, content: Uint8Array, random: Random, other: Element) => Uint8Array;

const twists: readonly TwistOf[] = [
  () => nothing,
  (tag, content) => concat(tlv(tag, content), tlv(tag, content)),
  (tag) => tlv(tag, nothing),
  (tag, _content, random) => tlv(tag, noise(random)),
  (tag, content, random) => tlv(tag, content.length > 0 ? damaged(content, random) : content),
  (tag, content, random) => tlv(random(4) === 0 ? random(256) : tag ^ (1 << random(8)), content),
  // A length that is not minimal, too large, too small, or without end.
  (tag, content, random) =>
    concat(Uint8Array.of(tag), lengthBytes(content.length, 1 + random(4)), content),
  (tag, content, random) =>
    concat(Uint8Array.of(tag), lengthBytes(content.length + 1 + random(300)), content),
  (tag, content, random) =>
    concat(Uint8Array.of(tag), lengthBytes(random(content.length + 1)), content),
  (tag, content) => concat(Uint8Array.of(tag, 0x80), content, Uint8Array.of(0, 0)),
  (tag, content) => concat(Uint8Array.of(tag, 0x84, 0xff, 0xff, 0xff, 0xff), content),
  // A number of another size or sign.
  (_tag, _content, random) => tlv(2, numbers[random(numbers.length)]!),
  (tag, _content, random) => tlv(tag, tlv(2, numbers[random(numbers.length)]!)),
  // Another element of the same message in its place, beside it, or around it.
  (_tag, _content, _random, other) => writeTree(other),
  (tag, content, _random, other) => concat(writeTree(other), tlv(tag, content)),
  (tag, content) => tlv(tag, tlv(tag, content)),
  (tag, content, random) => {
    let nested = tlv(tag, content);
    for (let depth = random(60); depth > 0; depth -= 1) nested = tlv(0x30, nested);
    return nested;
  },
  // Many of it.
  (tag, content, random) => {
    const one = tlv(tag, content);
    const most = random(10) === 0 ? 400 : 20;
    const times = Math.min(1 + random(most), 1 + Math.floor(30_000 / one.length));
    return concat(...Array.from({ length: times }, () => one));
  },
];

const nothing = new Uint8Array(0);
const numbers = ['', '00', 'ff', '7f', '80', '0080', 'ff80', '7fffffff', '80000000', '00ffffffff']
  .concat(['7fffffffffffffff', '8000000000000000', '00ffffffffffffffff', 'ffffffffffffffffff'])
  .map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));

function flip(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.with(at, (bytes[at] as number) ^ (1 << bit));
}

/** Takes some bytes out, and puts some others in. */
function splice(bytes: Uint8Array, at: number, count: number, random: Random): Uint8Array {
  const put = Uint8Array.from({ length: random(9) }, () => random(256));
  return concat(bytes.subarray(0, at), put, bytes.subarray(at + count));
}

function repeated(bytes: Uint8Array, random: Random): Uint8Array {
  const start = random(bytes.length);
  const run = bytes.subarray(start, start + 1 + random(40));
  return concat(bytes.subarray(0, start), run, run, bytes.subarray(start));
}

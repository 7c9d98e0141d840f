import { concat } from '../../../src/protocol/bytes.ts';

/** A DER element taken apart by hand, independently of the decoder under test. */
export interface Element {
  readonly tag: number;
  readonly children: readonly Element[];
  /** Of a primitive element. */
  readonly content: Uint8Array;
}

/** How one element is written otherwise than DER wants. */
export interface Twist {
  readonly at: Element;
  readonly as: (tag: number, content: Uint8Array) => Uint8Array;
}

export function parseTree(der: Uint8Array): Element {
  const [element, end] = parseAt(der, 0);
  if (end !== der.length) throw new Error('more than one element');
  return element;
}

/** The bytes of the tree; with one element twisted, and the lengths around it right. */
export function writeTree(element: Element, twist?: Twist): Uint8Array {
  const content = isConstructed(element)
    ? concat(...element.children.map((child) => writeTree(child, twist)))
    : element.content;
  return twist?.at === element ? twist.as(element.tag, content) : tlv(element.tag, content);
}

/** Every element of the tree, itself first. */
export function elementsOf(element: Element): readonly Element[] {
  return [element, ...element.children.flatMap(elementsOf)];
}

export function isConstructed({ tag }: Pick<Element, 'tag'>): boolean {
  return (tag & 0x20) !== 0;
}

export function tlv(tag: number, content: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag), lengthBytes(content.length), content);
}

/** The shortest length bytes, or with so many bytes more than are needed. */
export function lengthBytes(length: number, extra = 0): Uint8Array {
  if (length < 0x80 && extra === 0) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0 || bytes.length === 0; rest = Math.floor(rest / 256)) {
    bytes.unshift(rest % 256);
  }
  const zeros = length < 0x80 ? extra - 1 : extra;
  for (let zero = 0; zero < zeros; zero += 1) bytes.unshift(0);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

function parseAt(der: Uint8Array, at: number): [Element, number] {
  const tag = der[at] as number;
  const first = der[at + 1] as number;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  let length = lengthBytes === 0 ? first : 0;
  for (const byte of der.subarray(at + 2, at + 2 + lengthBytes)) length = length * 256 + byte;
  const start = at + 2 + lengthBytes;
  const end = start + length;
  const content = der.slice(start, end);
  const children: Element[] = [];
  if ((tag & 0x20) !== 0) {
    for (let next = start; next < end; ) {
      const [child, after] = parseAt(der, next);
      children.push(child);
      next = after;
    }
  }
  return [{ tag, children, content }, end];
}

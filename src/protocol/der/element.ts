import { DerReader } from './reader.ts';
import { isConstructed } from './tag.ts';

/** The deepest message of Kerberos has ten levels. */
const depthLimit = 16;

/** One element of DER that was checked as a whole; its bytes share memory with the message. */
export class Element {
  readonly tag: number;
  readonly children: readonly Element[];
  readonly #der: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;

  constructor(
    der: Uint8Array,
    at: { readonly start: number; readonly contentStart: number; readonly end: number },
    children: readonly Element[],
  ) {
    this.tag = der[at.start] as number;
    this.#der = der;
    this.#start = at.start;
    this.#contentStart = at.contentStart;
    this.#end = at.end;
    this.children = children;
  }

  /** Tag, length and content. */
  get whole(): Uint8Array {
    return this.#der.subarray(this.#start, this.#end);
  }

  get content(): Uint8Array {
    return this.#der.subarray(this.#contentStart, this.#end);
  }
}

export interface ElementLimits {
  /** How many elements there may be, of all depths. */
  readonly elements: number;
  /** How many zero bytes may stand behind the outermost one. */
  readonly paddingBytes: number;
}

/**
 * The element that a whole DER encoding is, with all that is in it. Messages of peers that have
 * proved nothing are parsed here, so the number and the depth of elements are limited.
 * @throws decode.truncated, decode.trailing, decode.bad-value
 */
export function parseElement(der: Uint8Array, what: string, limits: ElementLimits): Element {
  // Parts of a Buffer would be Buffers, whose slice does not copy.
  const plain = new Uint8Array(der.buffer, der.byteOffset, der.byteLength);
  const reader = new DerReader(plain, what);
  const element = new TreeParser(plain, reader, limits.elements).element(0);
  reader.finish(limits.paddingBytes);
  return element;
}

class TreeParser {
  readonly #der: Uint8Array;
  readonly #reader: DerReader;
  #left: number;

  constructor(der: Uint8Array, reader: DerReader, limit: number) {
    this.#der = der;
    this.#reader = reader;
    this.#left = limit;
  }

  element(depth: number): Element {
    const reader = this.#reader;
    if (this.#left === 0) throw reader.bad('has too many elements');
    this.#left -= 1;
    const start = reader.offset;
    const tag = reader.open();
    const contentStart = reader.offset;
    const children: Element[] = [];
    if (!isConstructed(tag)) reader.skip();
    else if (depth === depthLimit) throw reader.bad(`is nested more than ${depthLimit} deep`);
    while (reader.next !== undefined) children.push(this.element(depth + 1));
    reader.leave();
    return new Element(this.#der, { start, contentStart, end: reader.offset }, children);
  }
}

import { KpropError } from '../../errors/kprop-error.ts';

/** Tag classes, as asn1js counts them. */
export const tagClasses = { universal: 1, application: 2, context: 3, private: 4 } as const;

const constructedBit = 0x20;
/** The deepest message has ten floors. */
const depthLimit = 16;

/** One element of DER that was checked as a whole; its bytes share memory with the message. */
export class Element {
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
    this.#der = der;
    this.#start = at.start;
    this.#contentStart = at.contentStart;
    this.#end = at.end;
    this.children = children;
  }

  /** One of `tagClasses`. */
  get tagClass(): number {
    return ((this.#der[this.#start] as number) >> 6) + 1;
  }

  get tagNumber(): number {
    return (this.#der[this.#start] as number) & 0x1f;
  }

  get constructed(): boolean {
    return ((this.#der[this.#start] as number) & constructedBit) !== 0;
  }

  /** Tag, length and content. */
  get whole(): Uint8Array {
    return this.#der.subarray(this.#start, this.#end);
  }

  get content(): Uint8Array {
    return this.#der.subarray(this.#contentStart, this.#end);
  }
}

/**
 * The element that a whole DER encoding is: single tag bytes, lengths definite and minimal, nothing
 * beyond its parent's end, nothing behind it. What strangers send comes here first, so elements of
 * all depths are counted, and more than `limit` of them are not looked at.
 * @throws decode.truncated, decode.trailing, decode.bad-value
 */
export function parseElement(der: Uint8Array, what: string, limit: number): Element {
  // Views of a Buffer would be Buffers: whoever gets the parts was promised plain bytes.
  const plain = new Uint8Array(der.buffer, der.byteOffset, der.byteLength);
  const parser = new Parser(plain, what, limit);
  const element = parser.element(der.length, 0);
  const extra = der.length - parser.offset;
  if (extra > 0) throw new KpropError('decode.trailing', { what, extra });
  return element;
}

class Parser {
  offset = 0;
  readonly #der: Uint8Array;
  readonly #what: string;
  #left: number;

  constructor(der: Uint8Array, what: string, limit: number) {
    this.#der = der;
    this.#what = what;
    this.#left = limit;
  }

  element(parentEnd: number, depth: number): Element {
    if (this.#left === 0) throw this.#bad('has too many elements');
    this.#left -= 1;
    const start = this.offset;
    const tag = this.#byte(parentEnd);
    if ((tag & 0x1f) === 0x1f) throw this.#bad('has a tag that is not DER of Kerberos');
    const contentBytes = this.#length(parentEnd);
    const contentStart = this.offset;
    this.#require(contentBytes, parentEnd);
    const end = contentStart + contentBytes;
    const children: Element[] = [];
    if ((tag & constructedBit) === 0) this.offset = end;
    else if (depth === depthLimit) throw this.#bad(`is nested more than ${depthLimit} deep`);
    while (this.offset < end) children.push(this.element(end, depth + 1));
    return new Element(this.#der, { start, contentStart, end }, children);
  }

  #length(parentEnd: number): number {
    const first = this.#byte(parentEnd);
    if (first < 0x80) return first;
    const count = first & 0x7f;
    let length = 0;
    if (count <= 4) {
      for (let read = 0; read < count; read += 1) length = length * 256 + this.#byte(parentEnd);
    }
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw this.#bad('has a length that is not DER');
    }
    return length;
  }

  #byte(end: number): number {
    this.#require(1, end);
    const byte = this.#der[this.offset] as number;
    this.offset += 1;
    return byte;
  }

  #require(wanted: number, end: number): void {
    const available = end - this.offset;
    if (wanted <= available) return;
    const detail = { what: this.#what, offset: this.offset, wanted, available };
    throw new KpropError('decode.truncated', detail);
  }

  #bad(reason: string): KpropError {
    return new KpropError('decode.bad-value', { what: this.#what, reason });
  }
}

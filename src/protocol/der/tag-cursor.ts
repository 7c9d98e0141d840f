import { KpropError } from '../../errors/kprop-error.ts';

/** Walks DER: elements are entered and left in pairs, and nothing is left unread in one. */
export class TagCursor {
  #offset = 0;
  /** Ends of the elements that are open, innermost last. */
  readonly #ends: number[];
  readonly #bytes: Uint8Array;
  readonly #what: string;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
    this.#ends = [bytes.length];
  }

  /** The tag byte that comes next in the innermost element, undefined at its end. */
  get next(): number | undefined {
    return this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
  }

  get #end(): number {
    return this.#ends[this.#ends.length - 1] as number;
  }

  /** Goes into a constructed element. */
  enter(tag: number): void {
    const length = this.#header(tag);
    this.#ends.push(this.#offset + length);
  }

  /** Goes into the outermost element, behind which zero bytes may stand. */
  enterPadded(tag: number): void {
    this.enter(tag);
    const end = this.#end;
    for (let index = end; index < this.#bytes.length; index += 1) {
      if (this.#bytes[index] !== 0 || index - end >= 16) {
        throw new KpropError('decode.trailing', {
          what: this.#what,
          extra: this.#bytes.length - end,
        });
      }
    }
    this.#ends[0] = end;
  }

  /** The content of an element, a view. */
  run(tag: number): Uint8Array {
    const length = this.#header(tag);
    const start = this.#offset;
    this.#offset += length;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** Goes out of the innermost element, all of which must have been read. */
  leave(): void {
    if (this.#offset !== this.#end) throw this.#bad('has unknown fields');
    this.#ends.pop();
  }

  /** A field that holds an INTEGER of this range. */
  integerField(tag: number, least: number, most: number): number {
    this.enter(tag);
    const content = this.run(0x02);
    const [first = 0, second = 0] = content;
    const padded = content.length > 1 && (first === 0 || first === 0xff);
    if (content.length === 0 || content.length > 5 || (padded && first >> 7 === second >> 7)) {
      throw this.#bad('has a number that is not DER');
    }
    let value = first & 0x80 ? -1 : 0;
    for (const byte of content) value = value * 256 + byte;
    if (value < least || value > most) throw this.#bad('has a number that is out of range');
    this.leave();
    return value;
  }

  /** A field that holds a HostAddress, which nobody needs. */
  addressField(tag: number): void {
    this.enter(tag);
    this.enter(0x30);
    this.integerField(0xa0, -0x80000000, 0x7fffffff);
    this.enter(0xa1);
    this.run(0x04);
    for (let open = 0; open < 3; open += 1) this.leave();
  }

  literal(expected: Uint8Array, meaning: string): void {
    for (const byte of expected) {
      if (this.#bytes[this.#offset] !== byte) throw this.#bad(`does not say ${meaning}`);
      this.#offset += 1;
    }
  }

  /** Leaves every element: everything must have been read. */
  end(): void {
    while (this.#ends.length > 0) this.leave();
  }

  #header(tag: number): number {
    const found = this.next;
    if (found !== tag) {
      throw new KpropError('decode.unexpected-tag', {
        what: this.#what,
        wanted: `tag 0x${tag.toString(16)}`,
        found: found === undefined ? 'its end' : `tag 0x${found.toString(16)}`,
      });
    }
    this.#offset += 1;
    let length = this.#bytes[this.#offset] ?? 0;
    this.#offset += 1;
    if (length >= 0x80) {
      const bytes = length & 0x7f;
      if (bytes === 0 || bytes > 4) throw this.#bad('has a length that is not DER');
      length = 0;
      for (let index = 0; index < bytes; index += 1) {
        length = length * 256 + (this.#bytes[this.#offset] ?? 0);
        this.#offset += 1;
      }
      if (length < 0x80 || length < 256 ** (bytes - 1)) {
        throw this.#bad('has a length that is not DER');
      }
    }
    if (length > this.#end - this.#offset) {
      throw new KpropError('decode.truncated', {
        what: this.#what,
        offset: this.#offset,
        wanted: length,
        available: Math.max(0, this.#end - this.#offset),
      });
    }
    return length;
  }

  #bad(reason: string): KpropError {
    return new KpropError('decode.bad-value', { what: this.#what, reason });
  }
}

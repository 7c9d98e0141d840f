import { KpropError } from '../../errors/kprop-error.ts';
import { integerOf } from './integer.ts';
import { contextTag, universalTags } from './tag.ts';

/**
 * Reads DER in order. All tags and lengths of the project are read here: tags of one byte, lengths
 * definite and minimal, no element that reaches past the end of the one around it. Nothing is
 * copied, and nothing allocated for a length that is only claimed.
 *
 * Elements are entered and left in pairs; one that is left must have been read to its end.
 */
export class DerReader {
  #offset = 0;
  /** The end of the innermost element that is open; of all bytes if none is. */
  #end: number;
  /** The ends of what is around it, outermost first. */
  readonly #outerEnds: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #what: string;

  /** `what` names the structure in errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
    this.#end = bytes.length;
  }

  get offset(): number {
    return this.#offset;
  }

  /** The tag byte that comes next in the innermost element, undefined at its end. */
  get next(): number | undefined {
    return this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
  }

  /** Enters the next element and returns its tag byte. @throws decode.truncated, decode.bad-value */
  open(): number {
    const tag = this.#byte();
    // The number of such a tag is in the bytes that follow.
    if ((tag & 0x1f) === 0x1f) throw this.bad('has a tag above 30, which Kerberos does not use');
    const contentBytes = this.#length();
    this.#require(contentBytes);
    this.#outerEnds.push(this.#end);
    this.#end = this.#offset + contentBytes;
    return tag;
  }

  /** Enters an element that must have this tag byte. @throws decode.unexpected-tag and as `open` */
  enter(tag: number): void {
    const found = this.next;
    if (found !== tag) {
      throw new KpropError('decode.unexpected-tag', {
        what: this.#what,
        wanted: hexTag(tag),
        found: found === undefined ? 'its end' : hexTag(found),
      });
    }
    this.open();
  }

  /** Goes to the end of the innermost element without looking at what is in it. */
  skip(): void {
    this.#offset = this.#end;
  }

  /** Leaves the innermost element. @throws decode.bad-value if it holds more than was read */
  leave(): void {
    if (this.#offset !== this.#end) throw this.bad('has unknown fields');
    this.#end = this.#outerEnds.pop() ?? this.#bytes.length;
  }

  /**
   * Leaves all elements. Behind the outermost may stand zero bytes, up to `paddingBytes`: what a
   * cipher that fills whole blocks has added. @throws decode.trailing, decode.bad-value
   */
  finish(paddingBytes = 0): void {
    while (this.#outerEnds.length > 0) this.leave();
    const extra = this.#bytes.length - this.#offset;
    for (let at = this.#offset; at < this.#bytes.length; at += 1) {
      if (extra > paddingBytes || this.#bytes[at] !== 0) {
        throw new KpropError('decode.trailing', { what: this.#what, extra });
      }
    }
  }

  /** The content of the next element, a view. */
  content(tag: number): Uint8Array {
    this.enter(tag);
    const start = this.#offset;
    this.skip();
    this.leave();
    return this.#bytes.subarray(start, this.#offset);
  }

  /** The INTEGER in the field of this number, from `least` to `most`. */
  integerField(number: number, least: number, most: number): number {
    this.enter(contextTag(number));
    const value = integerOf(this.content(universalTags.integer), this.#what, least, most);
    this.leave();
    return value;
  }

  /** Reads over bytes that must be these. `meaning` is what they say, for the error. */
  literal(expected: Uint8Array, meaning: string): void {
    for (const byte of expected) {
      if (this.next !== byte) throw this.bad(`does not say ${meaning}`);
      this.#offset += 1;
    }
  }

  /** An error about the structure that is read. */
  bad(reason: string): KpropError {
    return new KpropError('decode.bad-value', { what: this.#what, reason });
  }

  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    let length = 0;
    if (count <= 4) {
      for (let read = 0; read < count; read += 1) length = length * 256 + this.#byte();
    }
    // An indefinite length, and one of more than four bytes, are still 0 here.
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw this.bad('has a length that is not DER');
    }
    return length;
  }

  #byte(): number {
    this.#require(1);
    const byte = this.#bytes[this.#offset] as number;
    this.#offset += 1;
    return byte;
  }

  #require(wanted: number): void {
    const available = this.#end - this.#offset;
    if (wanted <= available) return;
    const detail = { what: this.#what, offset: this.#offset, wanted, available };
    throw new KpropError('decode.truncated', detail);
  }
}

function hexTag(tag: number): string {
  return `tag 0x${tag.toString(16)}`;
}

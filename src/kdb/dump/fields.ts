import { DumpRefusal } from './refusal.ts';

/**
 * Reads the fields of a dump's lines where they lie. Every line in the buffer has its LF, so a loop
 * that ends at a byte it does not expect needs no other bound.
 */
export class DumpFields {
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the next byte to be read is. */
  at = 0;
  /** Where the whole lines in the buffer end. */
  end = 0;
  /** The number of the line that is being read. */
  line = 0;

  /** Whether these bytes come next; they are passed over if so. */
  skip(word: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let index = 0; index < word.length; index += 1) {
      if (bytes[at + index] !== word[index]) return false;
    }
    this.at = at + word.length;
    return true;
  }

  /** Whether exactly these bytes stand between two places. */
  isAt(start: number, end: number, word: Uint8Array): boolean {
    if (end - start !== word.length) return false;
    for (let index = 0; index < word.length; index += 1) {
      if (this.bytes[start + index] !== word[index]) return false;
    }
    return true;
  }

  tab(): void {
    if (this.bytes[this.at] !== TAB) this.handOver('a TAB is missing where a field ends');
    this.at += 1;
  }

  newline(): void {
    if (this.bytes[this.at] !== LF) this.handOver('the line is longer than its fields');
    this.at += 1;
  }

  /** A number from 0 to `limit`, which is below 2^32. */
  unsigned(limit: number): number {
    const { bytes } = this;
    let { at } = this;
    let value = 0;
    let digit = (bytes[at] as number) - ZERO;
    if (!(digit >= 0 && digit <= 9)) this.#notANumber();
    do {
      value = value * 10 + digit;
      if (value > limit) this.handOver('a number is too large for its field');
      at += 1;
      digit = (bytes[at] as number) - ZERO;
    } while (digit >= 0 && digit <= 9);
    this.at = at;
    return value;
  }

  /** A number from `least` to `most`, perhaps with a minus sign. */
  signed(least: number, most: number): number {
    if (this.bytes[this.at] !== MINUS) return this.unsigned(most);
    this.at += 1;
    return -this.unsigned(-least);
  }

  /** 32 bits, written as a number with or without a sign. */
  bits32(): number {
    return this.signed(-0x8000_0000, 0xffff_ffff);
  }

  /** The bytes of a value of this length, put into `into` from `start`. An empty one is written -1. */
  value(length: number, into: Uint8Array, start: number): void {
    const { bytes } = this;
    let { at } = this;
    if (length === 0) {
      if (bytes[at] !== MINUS || bytes[at + 1] !== ONE) this.#badValue();
      this.at = at + 2;
      return;
    }
    if (length * 2 > this.end - at) this.#badValue();
    let all = 0;
    for (let place = start; place < start + length; place += 1) {
      const high = hexDigits[bytes[at] as number] as number;
      const low = hexDigits[bytes[at + 1] as number] as number;
      all |= high | low;
      into[place] = (high << 4) | low;
      at += 2;
    }
    if (all > 0xf) this.#badValue();
    this.at = at;
  }

  /** The length of the text that comes next: up to white space or NUL. */
  wordBytes(limit: number): number {
    const { bytes, at } = this;
    let end = at;
    while (isWordByte(bytes[end] as number)) end += 1;
    if (end === at || end - at > limit) this.handOver('a word is empty or too long for its field');
    return end - at;
  }

  handOver(reason: string): never {
    throw new DumpRefusal('hand-over', this.line, reason);
  }

  refuse(reason: string): never {
    throw new DumpRefusal('refuse', this.line, reason);
  }

  #notANumber(): never {
    return this.handOver('a field is not a number');
  }

  #badValue(): never {
    return this.handOver('a value is not as many hexadecimal digits as announced');
  }
}

/** isspace(3) in the C locale. */
export function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13);
}

function isWordByte(byte: number): boolean {
  return byte !== 0 && !isSpace(byte);
}

/** What a digit stands for; 0xff for what is none. */
const hexDigits = new Uint8Array(256).fill(0xff);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

const TAB = 0x09;
const LF = 0x0a;
const MINUS = 0x2d;
const ZERO = 0x30;
const ONE = 0x31;

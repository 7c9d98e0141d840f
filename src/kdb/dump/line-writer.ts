/** Text of a dump in one buffer that is used again. Numbers and hex without a string in between. */
export class LineWriter {
  bytes = new Uint8Array(1 << 20);
  length = 0;

  /** Makes room for this many more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + count));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    this.bytes[this.length] = value;
    this.length += 1;
  }

  copy(from: Uint8Array, start: number, count: number): void {
    const { bytes, length } = this;
    for (let index = 0; index < count; index += 1) {
      bytes[length + index] = from[start + index] as number;
    }
    this.length = length + count;
  }

  /** TAB and the number, which has at most 32 bits. */
  field(value: number): void {
    const { bytes } = this;
    let at = this.length;
    bytes[at] = TAB;
    at += 1;
    let rest = value;
    if (rest < 0) {
      bytes[at] = MINUS;
      at += 1;
      rest = -rest;
    }
    let digits = 1;
    for (let limit = 10; rest >= limit; limit *= 10) digits += 1;
    for (let place = at + digits - 1; place >= at; place -= 1) {
      const tenth = Math.floor(rest / 10);
      bytes[place] = ZERO + (rest - 10 * tenth);
      rest = tenth;
    }
    this.length = at + digits;
  }

  /** TAB and the bytes in hex; -1 if there are none. */
  hexField(from: Uint8Array, start: number, count: number): void {
    if (count === 0) {
      this.field(-1);
      return;
    }
    const { bytes } = this;
    let at = this.length;
    bytes[at] = TAB;
    at += 1;
    for (let index = start; index < start + count; index += 1) {
      const byte = from[index] as number;
      bytes[at] = hexDigits[byte >> 4] as number;
      bytes[at + 1] = hexDigits[byte & 15] as number;
      at += 2;
    }
    this.length = at;
  }
}

const hexDigits = Buffer.from('0123456789abcdef');
const TAB = 0x09;
const MINUS = 0x2d;
const ZERO = 0x30;

import { KpropError } from '../errors/kprop-error.ts';

/** Reads big-endian integers and byte runs in order, never past the end. @throws decode.truncated */
export class ByteReader {
  #offset = 0;
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #view: DataView;
  readonly #littleEndian: boolean;

  /** `what` names the structure in errors; `littleEndian` serves the host-order file formats. */
  constructor(bytes: Uint8Array, what: string, littleEndian = false) {
    this.#bytes = bytes;
    this.#what = what;
    this.#littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), this.#littleEndian);
  }

  int16(): number {
    return this.#view.getInt16(this.#advance(2), this.#littleEndian);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), this.#littleEndian);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), this.#littleEndian);
  }

  /** A view of the next `byteCount` bytes; it shares memory with the input. */
  bytes(byteCount: number): Uint8Array {
    const start = this.#advance(byteCount);
    return this.#bytes.subarray(start, start + byteCount);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  #advance(byteCount: number): number {
    const start = this.#offset;
    if (byteCount < 0 || byteCount > this.remaining) {
      throw new KpropError('decode.truncated', {
        what: this.#what,
        offset: start,
        wanted: byteCount,
        available: this.remaining,
      });
    }
    this.#offset = start + byteCount;
    return start;
  }
}

/** One new array with all the parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let total = 0;
  for (const part of parts) total += part.length;
  const joined = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether two public byte strings are equal. Not for MACs: those go through timingSafeEqual. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The text of UTF-8 bytes; malformed sequences become U+FFFD, so never use it to compare names. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

import { concat } from '../../../src/protocol/bytes.ts';

/** Collects big-endian integers and byte runs, in order. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];
  readonly #littleEndian: boolean;

  constructor(littleEndian = false) {
    this.#littleEndian = littleEndian;
  }

  uint8(value: number): this {
    return this.bytes(Uint8Array.of(value));
  }

  uint16(value: number): this {
    return this.#number(2, (view) => view.setUint16(0, value, this.#littleEndian));
  }

  uint32(value: number): this {
    return this.#number(4, (view) => view.setUint32(0, value, this.#littleEndian));
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  finish(): Uint8Array {
    return concat(...this.#parts);
  }

  #number(byteCount: number, set: (view: DataView) => void): this {
    const part = new Uint8Array(byteCount);
    set(new DataView(part.buffer));
    return this.bytes(part);
  }
}

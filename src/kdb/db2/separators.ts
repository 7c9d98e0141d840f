import { headerBytes, internalPage, itemBytes, newPageBytes as pageBytes } from './format.ts';

interface InternalPage {
  readonly number: number;
  readonly left: number;
  readonly right: number;
  /** The first of its items, and how many it has. */
  readonly from: number;
  readonly count: number;
}

/**
 * The pages of one level of a btree from left to right, and before each but the first the key that
 * separates it from its left neighbour. Packed: a million principals have 65,000 leaves.
 */
export class Separators {
  /** How many pages there are, and how many separators with the empty one before the first. */
  count = 0;
  #pages = new Uint32Array(1024);
  /** Where each key begins; one more than there are keys. */
  #ends = new Uint32Array(1025);
  #keys = new Uint8Array(16 * 1024);
  #keyCount = 1;

  /** The key that will separate the next page from the one that was closed last. */
  add(from: Uint8Array, at: number, keyBytes: number): void {
    const start = this.#ends[this.#keyCount] as number;
    if (start + keyBytes > this.#keys.length) {
      this.#keys = larger(this.#keys, new Uint8Array(2 * (start + keyBytes)));
    }
    this.#keys.set(from.subarray(at, at + keyBytes), start);
    if (this.#keyCount + 1 === this.#ends.length) {
      this.#ends = larger(this.#ends, new Uint32Array(2 * this.#ends.length));
    }
    this.#keyCount += 1;
    this.#ends[this.#keyCount] = start + keyBytes;
  }

  /** The separator of a page of the level below becomes one of this level; the first has none. */
  inherit(below: Separators, index: number): void {
    if (index === 0) return;
    const start = below.#ends[index] as number;
    this.add(below.#keys, start, (below.#ends[index + 1] as number) - start);
  }

  /** The page on the right end of the level. */
  close(page: number): void {
    if (this.count === this.#pages.length) {
      this.#pages = larger(this.#pages, new Uint32Array(2 * this.count));
    }
    this.#pages[this.count] = page;
    this.count += 1;
  }

  /** How many items, from one of them on, one internal page can hold. */
  fits(from: number): number {
    let room = pageBytes - headerBytes;
    let index = from;
    for (; index < this.count; index += 1) {
      room -= this.#itemBytes(index) + 2;
      if (room < 0) break;
    }
    return index - from;
  }

  /** Makes an internal page in a target that is zero there. */
  lay(target: Uint8Array, at: number, page: InternalPage): void {
    const { from, count } = page;
    let used = 0;
    for (let index = from; index < from + count; index += 1) used += this.#itemBytes(index);
    const view = new DataView(target.buffer, target.byteOffset + at, pageBytes);
    let offset = pageBytes - used;
    view.setUint32(0, page.number, true);
    view.setUint32(4, page.left, true);
    view.setUint32(8, page.right, true);
    view.setUint32(12, internalPage, true);
    view.setUint16(16, headerBytes + 2 * count, true);
    view.setUint16(18, offset, true);
    for (let index = from; index < from + count; index += 1) {
      const start = this.#ends[index] as number;
      const end = this.#ends[index + 1] as number;
      view.setUint16(headerBytes + 2 * (index - from), offset, true);
      view.setUint32(offset, end - start, true);
      view.setUint32(offset + 4, this.#pages[index] as number, true);
      target.set(this.#keys.subarray(start, end), at + offset + itemBytes);
      offset += this.#itemBytes(index);
    }
  }

  #itemBytes(index: number): number {
    const keyBytes = (this.#ends[index + 1] as number) - (this.#ends[index] as number);
    return (itemBytes + keyBytes + 3) & ~3;
  }
}

function larger<T extends Uint8Array | Uint32Array>(old: T, fresh: T): T {
  fresh.set(old);
  return fresh;
}

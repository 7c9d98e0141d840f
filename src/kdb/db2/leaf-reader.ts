import {
  bigData,
  bigKey,
  headerBytes,
  internalPage,
  itemBytes,
  leafPage,
  overflowPage,
  referenceBytes,
  rootPage,
} from './format.ts';
import { db2FormOf, PageWindow } from './page-window.ts';

/**
 * Goes through the records of a btree in the order of their keys, along its leaves. Any page size and
 * byte order; every number of the file is checked before it is used, so a damaged file ends in an
 * error and never in a loop. @see krb5 src/plugins/kdb/db2/libdb2/btree
 */
export class LeafReader {
  /** Where the key of the record is in `bytes`, and how long it is, its NUL included. */
  keyAt = 0;
  keyBytes = 0;
  /** How long the data are. */
  dataBytes = 0;
  readonly #leaves: PageWindow;
  readonly #chains: PageWindow;
  #leaf: number;
  #start: number;
  #item = 0;
  #itemCount = 0;
  #leavesSeen = 0;
  #dirty = false;
  /** The first page of the data's chain; 0 if they stand in the leaf, behind the key. */
  #chain = 0;

  /** @throws Db2Damage, errno */
  constructor(fd: number) {
    const form = db2FormOf(fd);
    this.#leaves = new PageWindow(fd, form);
    this.#chains = new PageWindow(fd, form);
    this.#leaf = this.#firstLeaf();
    this.#start = this.#openLeaf(this.#leaf);
  }

  /** What holds the key, until `next`. */
  get bytes(): Uint8Array {
    return this.#leaves.bytes;
  }

  /** Whether the data are in pages of their own, and not behind the key. */
  get isBig(): boolean {
    return this.#chain !== 0;
  }

  /** Goes to the next record; false if there is none. @throws Db2Damage, errno */
  next(): boolean {
    const window = this.#leaves;
    while (this.#item === this.#itemCount) {
      const right = window.u32(this.#start + 8);
      this.#writeLeaf();
      if (right === 0) return false;
      this.#leaf = right;
      this.#start = this.#openLeaf(right);
    }
    const start = this.#start;
    const item = start + window.u16(start + headerBytes + 2 * this.#item);
    const end = start + window.form.pageBytes;
    this.#item += 1;
    if (item + itemBytes > end) throw window.damaged(this.#leaf);
    const flags = window.bytes[item + 8] as number;
    const dataBytes = window.u32(item + 4);
    this.keyAt = item + itemBytes;
    this.keyBytes = window.u32(item);
    const data = this.keyAt + this.keyBytes;
    // KDCs do not find an entry whose name is too long for its page.
    if (data + dataBytes > end || (flags & bigKey) !== 0) throw window.damaged(this.#leaf);
    if ((flags & bigData) === 0) {
      this.#chain = 0;
      this.dataBytes = dataBytes;
    } else {
      if (dataBytes !== referenceBytes) throw window.damaged(this.#leaf);
      this.#chain = window.u32(data);
      this.dataBytes = window.u32(data + 4);
      const { pageBytes, pageCount } = window.form;
      const most = pageCount * (pageBytes - headerBytes);
      if (this.#chain === 0 || this.dataBytes > most) throw window.damaged(this.#leaf);
    }
    return true;
  }

  /** Puts the data into `into` from `at`. @throws Db2Damage, errno */
  copyData(into: Uint8Array, at: number): void {
    const window = this.#chains;
    if (this.#chain === 0) {
      const from = this.keyAt + this.keyBytes;
      const { bytes } = this;
      for (let index = 0; index < this.dataBytes; index += 1) {
        into[at + index] = bytes[from + index] as number;
      }
      return;
    }
    const perPage = window.form.pageBytes - headerBytes;
    let number = this.#chain;
    for (let done = 0; done < this.dataBytes; done += perPage) {
      const start = window.page(number, overflowPage);
      const from = start + headerBytes;
      const count = Math.min(perPage, this.dataBytes - done);
      into.set(window.bytes.subarray(from, from + count), at + done);
      number = window.u32(start + 8);
    }
  }

  /**
   * Takes over some bytes of the data of another's record, whose length is not less; false if they are
   * the same. The file is changed when the reader goes on to another leaf. They must lie in the first page.
   * @throws Db2Damage, errno
   */
  takeData(other: LeafReader, offset: number, count: number): boolean {
    const from = other.#dataAt(offset + count) + offset;
    const to = this.#dataAt(offset + count) + offset;
    const source = other.#chain === 0 ? other.#leaves : other.#chains;
    const target = this.#chain === 0 ? this.#leaves : this.#chains;
    let same = true;
    for (let index = 0; index < count; index += 1) {
      const byte = source.bytes[from + index] as number;
      if (target.bytes[to + index] === byte) continue;
      target.bytes[to + index] = byte;
      same = false;
    }
    if (same) return false;
    if (this.#chain === 0) this.#dirty = true;
    else target.write(this.#chain, headerBytes + offset, count);
    return true;
  }

  /** Where the data begin in their window, if there are as many in the first page. */
  #dataAt(bytesWanted: number): number {
    const { pageBytes } = this.#leaves.form;
    if (this.dataBytes < bytesWanted || headerBytes + bytesWanted > pageBytes) {
      throw this.#leaves.damaged(this.#leaf);
    }
    if (this.#chain === 0) return this.keyAt + this.keyBytes;
    return this.#chains.page(this.#chain, overflowPage) + headerBytes;
  }

  #firstLeaf(): number {
    const window = this.#leaves;
    let number = rootPage;
    // Each level is another page, so a file with a loop ends here, too.
    for (let level = 0; level <= window.form.pageCount; level += 1) {
      const start = window.anyPage(number);
      const kind = window.kindAt(start);
      if (kind === leafPage) return number;
      const first = start + window.u16(start + headerBytes);
      const inside = first + itemBytes <= start + window.form.pageBytes;
      if (kind !== internalPage || !inside || this.#itemsOf(start) === 0) break;
      number = window.u32(first + 4);
    }
    throw window.damaged(number);
  }

  #openLeaf(number: number): number {
    const window = this.#leaves;
    this.#leavesSeen += 1;
    if (this.#leavesSeen > window.form.pageCount) throw window.damaged(number);
    const start = window.page(number, leafPage);
    this.#item = 0;
    this.#itemCount = this.#itemsOf(start);
    return start;
  }

  #itemsOf(start: number): number {
    const window = this.#leaves;
    const lower = window.u16(start + 16);
    const good = lower >= headerBytes && lower % 2 === 0 && lower <= window.form.pageBytes;
    if (!good) throw window.damaged(window.u32(start));
    return (lower - headerBytes) / 2;
  }

  #writeLeaf(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    this.#leaves.write(this.#leaf, 0, this.#leaves.form.pageBytes);
  }
}

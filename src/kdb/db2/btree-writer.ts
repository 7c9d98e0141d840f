import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';

import {
  bigData,
  btreeMagic,
  btreeVersion,
  headerBytes,
  itemBytes,
  leafPage,
  overflowPage,
  newPageBytes as pageBytes,
  referenceBytes,
  rootPage,
} from './format.ts';
import { Separators } from './separators.ts';

/** A record whose key and data are longer than this has its data in pages of their own. */
export const smallRecordBytes = Math.floor((pageBytes - headerBytes) / 2) - 14;
const pagesAtOnce = 256;

/**
 * Writes a btree of libdb2 from records that come in the order of their keys, with full leaves, in the
 * order of its pages; the root and the page that makes the file a database come last. The records
 * are encoded by the caller into `items` at `start` (9 bytes are left free, then the key, then the
 * data), and `add` takes them from there. Nothing is allocated for a record.
 * @see krb5 src/plugins/kdb/db2/libdb2/btree
 */
export class BtreeWriter {
  /** The open leaf's items, one after the other, and behind them the one that is being made. */
  items = new Uint8Array(4 * pageBytes);
  /** Where the item that is being made begins. */
  start = 0;
  records = 0;
  readonly #fd: number;
  #view = new DataView(this.items.buffer);
  /** Where each item of the open leaf begins. */
  readonly #offsets = new Uint16Array(pageBytes / 2);
  #count = 0;
  #previousKey = new Uint8Array(pageBytes);
  #previousKeyBytes = 0;
  /** Pages that were made and not yet written; the first of them is `#firstInBatch`. */
  readonly #batch = new Uint8Array(pagesAtOnce * pageBytes);
  readonly #batchView = new DataView(this.#batch.buffer);
  #firstInBatch = rootPage + 1;
  #nextPage = rootPage + 1;
  #lastLeaf = 0;
  readonly #separators = new Separators();
  readonly #itemHash = createHash('sha1');
  readonly #bigHash = createHash('sha1');

  /** @param fd an empty file, open for writing */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Makes room for a record of this many bytes, key included. */
  reserve(recordBytes: number): void {
    const wanted = pageBytes + itemBytes + recordBytes + 4;
    if (this.items.length >= wanted) return;
    const larger = new Uint8Array(wanted * 2);
    larger.set(this.items.subarray(0, this.start));
    this.items = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** Takes the record that was made; false if its key is not greater than the one before. @throws errno */
  add(keyBytes: number, dataBytes: number): boolean {
    const { items, start } = this;
    const key = start + itemBytes;
    const common = this.#commonWithPrevious(key, keyBytes);
    if (this.records > 0 && common === keyBytes) return false;
    const greater = (items[key + common] as number) > (this.#previousKey[common] as number);
    if (this.records > 0 && common < this.#previousKeyBytes && !greater) return false;
    let storedBytes = dataBytes;
    let flags = 0;
    if (keyBytes + dataBytes > smallRecordBytes) {
      const first = this.#writeBig(key + keyBytes, dataBytes);
      this.#view.setUint32(key + keyBytes, first, true);
      this.#view.setUint32(key + keyBytes + 4, dataBytes, true);
      storedBytes = referenceBytes;
      flags = bigData;
    }
    this.#view.setUint32(start, keyBytes, true);
    this.#view.setUint32(start + 4, storedBytes, true);
    items[start + 8] = flags;
    const end = start + itemBytes + keyBytes + storedBytes;
    const next = (end + 3) & ~3;
    for (let at = end; at < next; at += 1) items[at] = 0;
    let begin = start;
    if (headerBytes + 2 * (this.#count + 1) + next > pageBytes && this.#count > 0) {
      this.#closeLeaf();
      this.#separators.add(items, key, this.#separators.count === 1 ? keyBytes : common + 1);
      items.copyWithin(0, start, next);
      begin = 0;
    }
    this.#offsets[this.#count] = begin;
    this.#count += 1;
    this.start = begin + next - start;
    for (let at = common; at < keyBytes; at += 1) {
      this.#previousKey[at] = items[begin + itemBytes + at] as number;
    }
    this.#previousKeyBytes = keyBytes;
    this.records += 1;
    return true;
  }

  /** Writes what is left, and last the page that makes the file a database. Returns the digest. @throws errno */
  finish(): string {
    const root = new Uint8Array(pageBytes);
    if (this.#separators.count === 0) this.#layLeaf(root, 0, rootPage, 0);
    else {
      this.#closeLeaf();
      this.#writeLevels(root);
    }
    this.#flush();
    writeAll(this.#fd, root, root.length, rootPage * pageBytes);
    const meta = new Uint8Array(pageBytes);
    const view = new DataView(meta.buffer);
    view.setUint32(0, btreeMagic, true);
    view.setUint32(4, btreeVersion, true);
    view.setUint32(8, pageBytes, true);
    view.setUint32(20, noDuplicates, true);
    writeAll(this.#fd, meta, meta.length, 0);
    return `${this.#itemHash.digest('hex')} ${this.#bigHash.digest('hex')}`;
  }

  #commonWithPrevious(key: number, keyBytes: number): number {
    const { items } = this;
    const previous = this.#previousKey;
    const most = Math.min(keyBytes, this.#previousKeyBytes);
    let common = 0;
    while (common < most && items[key + common] === previous[common]) common += 1;
    return common;
  }

  /** Writes the open leaf as the next page. */
  #closeLeaf(): void {
    const number = this.#takePage();
    this.#layLeaf(this.#batch, this.#inBatch(number), number, this.#lastLeaf);
    if (this.#lastLeaf > 0) this.#linkRight(this.#lastLeaf, number);
    this.#separators.close(number);
    this.#lastLeaf = number;
    this.start = 0;
    this.#count = 0;
  }

  #layLeaf(target: Uint8Array, at: number, number: number, left: number): void {
    const used = this.#count === 0 ? 0 : this.start;
    const upper = pageBytes - used;
    const view = new DataView(target.buffer, target.byteOffset + at, pageBytes);
    view.setUint32(0, number, true);
    view.setUint32(4, left, true);
    view.setUint32(12, leafPage, true);
    view.setUint16(16, headerBytes + 2 * this.#count, true);
    view.setUint16(18, upper, true);
    for (let index = 0; index < this.#count; index += 1) {
      view.setUint16(headerBytes + 2 * index, upper + (this.#offsets[index] as number), true);
    }
    const block = this.items.subarray(0, used);
    target.set(block, at + upper);
    this.#itemHash.update(block);
  }

  #linkRight(page: number, right: number): void {
    if (page >= this.#firstInBatch) {
      this.#batchView.setUint32(this.#inBatch(page) + 8, right, true);
      return;
    }
    const link = new Uint8Array(4);
    new DataView(link.buffer).setUint32(0, right, true);
    writeAll(this.#fd, link, link.length, page * pageBytes + 8);
  }

  /** Writes data into a chain of pages of their own, and returns the first. */
  #writeBig(at: number, dataBytes: number): number {
    const first = this.#nextPage;
    const perPage = pageBytes - headerBytes;
    for (let done = 0; done < dataBytes; done += perPage) {
      const number = this.#takePage();
      const page = this.#inBatch(number);
      const last = done + perPage >= dataBytes;
      this.#batchView.setUint32(page, number, true);
      this.#batchView.setUint32(page + 8, last ? 0 : number + 1, true);
      this.#batchView.setUint32(page + 12, overflowPage, true);
      const piece = this.items.subarray(at + done, at + Math.min(done + perPage, dataBytes));
      this.#batch.set(piece, page + headerBytes);
    }
    this.#bigHash.update(this.items.subarray(at, at + dataBytes));
    return first;
  }

  /** Level by level, each page as full as possible; the level that is one page is the root. */
  #writeLevels(root: Uint8Array): void {
    for (let level = this.#separators; ; ) {
      if (level.fits(0) === level.count) {
        level.lay(root, 0, { number: rootPage, left: 0, right: 0, from: 0, count: level.count });
        return;
      }
      const above = new Separators();
      let left = 0;
      for (let from = 0; from < level.count; ) {
        const count = level.fits(from);
        const number = this.#takePage();
        const right = from + count < level.count ? number + 1 : 0;
        level.lay(this.#batch, this.#inBatch(number), { number, left, right, from, count });
        above.inherit(level, from);
        above.close(number);
        left = number;
        from += count;
      }
      level = above;
    }
  }

  #takePage(): number {
    if (this.#nextPage - this.#firstInBatch === pagesAtOnce) this.#flush();
    const number = this.#nextPage;
    this.#nextPage += 1;
    return number;
  }

  #inBatch(number: number): number {
    return (number - this.#firstInBatch) * pageBytes;
  }

  #flush(): void {
    const bytes = (this.#nextPage - this.#firstInBatch) * pageBytes;
    writeAll(this.#fd, this.#batch, bytes, this.#firstInBatch * pageBytes);
    this.#batch.fill(0, 0, bytes);
    this.#firstInBatch = this.#nextPage;
  }
}

function writeAll(fd: number, bytes: Uint8Array, count: number, position: number): void {
  for (let done = 0; done < count; ) {
    done += writeSync(fd, bytes, done, count - done, position + done);
  }
}

/** The flag of a btree whose keys are different (R_NODUPS). */
const noDuplicates = 0x20;

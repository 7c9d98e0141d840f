import { createHash, type Hash } from 'node:crypto';
import { fstatSync } from 'node:fs';

import {
  bigData,
  headerBytes,
  internalPage,
  itemBytes,
  leafPage,
  newPageBytes,
  overflowPage,
  referenceBytes,
  rootPage,
} from './format.ts';
import { Db2Damage, db2FormOf, PageWindow } from './page-window.ts';

/** What a file holds, and what is wrong with it. */
export type Checked =
  | { readonly fault: string }
  | { readonly fault: undefined; readonly records: number; readonly digest: string };

/**
 * Reads back a btree that DatabaseBuilder wrote: each page's kind, number and neighbours, the lengths
 * and the order of all keys, each separator against the leaves on both sides of it, each chain of big
 * data; and that every page of the file is used once. `digest` is that of the builder if each key
 * and each byte of data is as it was encoded. Knows no more of the builder than the format.
 */
export function checkBtree(fd: number): Checked {
  try {
    return new Check(fd).run();
  } catch (error) {
    if (error instanceof Db2Damage) return { fault: error.message };
    throw error;
  }
}

/** A page, and the least key that may stand in it or below it. */
interface Child {
  readonly page: number;
  readonly least: Uint8Array;
}

class Check {
  readonly #window: PageWindow;
  readonly #chains: PageWindow;
  readonly #used: Uint8Array;
  readonly #itemHash: Hash = createHash('sha1');
  readonly #bigHash: Hash = createHash('sha1');
  #usedCount = 1;
  #records = 0;
  #lastKey = new Uint8Array(0);

  constructor(fd: number) {
    const form = db2FormOf(fd);
    if (form.pageBytes !== newPageBytes || fstatSync(fd).size % newPageBytes !== 0) {
      throw new Db2Damage('its pages have another size');
    }
    this.#window = new PageWindow(fd, form);
    this.#chains = new PageWindow(fd, form);
    this.#used = new Uint8Array(form.pageCount);
  }

  run(): Checked {
    let level: readonly Child[] = [{ page: rootPage, least: new Uint8Array(0) }];
    while (this.#window.kindAt(this.#window.anyPage(level[0]?.page ?? 0)) === internalPage) {
      level = this.#below(level);
    }
    for (const [index, child] of level.entries()) this.#readLeaf(level, index, child);
    const { pageCount } = this.#window.form;
    if (this.#usedCount !== pageCount) return { fault: 'it has pages that nothing leads to' };
    const digest = `${this.#itemHash.digest('hex')} ${this.#bigHash.digest('hex')}`;
    return { fault: undefined, records: this.#records, digest };
  }

  /** The children of all pages of a level of internal pages. */
  #below(level: readonly Child[]): readonly Child[] {
    const window = this.#window;
    const below: Child[] = [];
    for (const [index, { page, least }] of level.entries()) {
      const start = this.#open(level, index, internalPage);
      const count = this.#itemCount(start, page);
      let offset = window.u16(start + 18);
      if (count === 0) throw window.damaged(page);
      for (let item = 0; item < count; item += 1) {
        this.#requireAt(start, item, offset, page);
        const keyBytes = window.u32(start + offset);
        const key = start + offset + itemBytes;
        const next = roundUp(offset + itemBytes + keyBytes);
        const plain = window.bytes[start + offset + 8] === 0;
        if (!plain || next > newPageBytes) throw window.damaged(page);
        // Many small ones share their memory.
        const own = Buffer.from(window.bytes.subarray(key, key + keyBytes));
        // The first key is that of the page itself, by which its parent leads to it.
        const good = item === 0 ? same(own, least) : isGreater(own, below.at(-1)?.least ?? least);
        if (!good) throw window.damaged(page);
        below.push({ page: window.u32(start + offset + 4), least: own });
        offset = next;
      }
      if (offset !== newPageBytes) throw window.damaged(page);
    }
    return below;
  }

  #readLeaf(level: readonly Child[], index: number, { page, least }: Child): void {
    const window = this.#window;
    const { bytes } = window;
    const start = this.#open(level, index, leafPage);
    const count = this.#itemCount(start, page);
    const upper = window.u16(start + 18);
    // Only a file without records has a leaf without any.
    if (count === 0 && level.length > 1) throw window.damaged(page);
    if (isGreater(least, this.#lastKey) !== index > 0) throw window.damaged(page);
    let offset = upper;
    let [lastAt, lastBytes] = [0, 0];
    for (let item = 0; item < count; item += 1) {
      this.#requireAt(start, item, offset, page);
      const keyBytes = window.u32(start + offset);
      const dataBytes = window.u32(start + offset + 4);
      const flags = bytes[start + offset + 8] as number;
      const key = start + offset + itemBytes;
      const next = roundUp(offset + itemBytes + keyBytes + dataBytes);
      const fits = next <= newPageBytes && keyBytes >= 2 && bytes[key + keyBytes - 1] === 0;
      if (!fits || flags > bigData) throw window.damaged(page);
      const greater =
        item === 0
          ? isGreater(bytes.subarray(key, key + keyBytes), this.#lastKey) &&
            !isGreater(least, bytes.subarray(key, key + keyBytes))
          : isGreaterAt(bytes, key, keyBytes, lastAt, lastBytes);
      if (!greater) throw window.damaged(page);
      if (flags === bigData) {
        if (dataBytes !== referenceBytes) throw window.damaged(page);
        const at = key + keyBytes;
        this.#readChain(window.u32(at), window.u32(at + 4), keyBytes, page);
      } else if (keyBytes + dataBytes > longestSmall) throw window.damaged(page);
      [lastAt, lastBytes] = [key, keyBytes];
      offset = next;
    }
    if (offset !== newPageBytes) throw window.damaged(page);
    this.#records += count;
    this.#lastKey = bytes.slice(lastAt, lastAt + lastBytes);
    this.#itemHash.update(bytes.subarray(start + upper, start + newPageBytes));
  }

  #readChain(first: number, dataBytes: number, keyBytes: number, from: number): void {
    const window = this.#chains;
    if (dataBytes + keyBytes <= longestSmall) throw window.damaged(from);
    let number = first;
    for (let left = dataBytes; left > 0; left -= newPageBytes - headerBytes) {
      const start = window.page(number, overflowPage);
      this.#use(number);
      const count = Math.min(left, newPageBytes - headerBytes);
      const data = start + headerBytes;
      this.#bigHash.update(window.bytes.subarray(data, data + count));
      const right = window.u32(start + 8);
      if ((right === 0) !== (count === left)) throw window.damaged(number);
      number = right;
    }
  }

  /** A page of the tree whose neighbours must be those of its place in the level. */
  #open(level: readonly Child[], index: number, kind: number): number {
    const window = this.#window;
    const page = level[index]?.page ?? 0;
    const start = window.page(page, kind);
    const left = level[index - 1]?.page ?? 0;
    const right = level[index + 1]?.page ?? 0;
    const linked = window.u32(start + 4) === left && window.u32(start + 8) === right;
    if (!linked) throw window.damaged(page);
    this.#use(page);
    return start;
  }

  #use(page: number): void {
    if (this.#used[page] !== 0) throw this.#window.damaged(page);
    this.#used[page] = 1;
    this.#usedCount += 1;
  }

  #itemCount(start: number, page: number): number {
    const lower = this.#window.u16(start + 16);
    const upper = this.#window.u16(start + 18);
    const good = lower >= headerBytes && lower % 2 === 0 && lower <= upper && upper <= newPageBytes;
    if (!good) throw this.#window.damaged(page);
    return (lower - headerBytes) / 2;
  }

  /** The items stand one behind the other, in the order of their keys. */
  #requireAt(start: number, item: number, offset: number, page: number): void {
    const there = this.#window.u16(start + headerBytes + 2 * item) === offset;
    if (!there || offset + itemBytes > newPageBytes) throw this.#window.damaged(page);
  }
}

/** Key and data together; longer records have their data in a chain. */
const longestSmall = 2024;

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function isGreater(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) > 0;
}

/** The same for two keys in the same bytes. */
function isGreaterAt(
  bytes: Uint8Array,
  one: number,
  oneBytes: number,
  other: number,
  otherBytes: number,
): boolean {
  const both = Math.min(oneBytes, otherBytes);
  for (let index = 0; index < both; index += 1) {
    const difference = (bytes[one + index] as number) - (bytes[other + index] as number);
    if (difference !== 0) return difference > 0;
  }
  return oneBytes > otherBytes;
}

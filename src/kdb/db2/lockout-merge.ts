import { fstatSync, readSync, writeSync } from 'node:fs';

import {
  bigData,
  bigKey,
  btreeMagic,
  btreeVersion,
  headerBytes,
  internalPage,
  itemBytes,
  kindBits,
  leafPage,
  metaBytes,
  overflowPage,
  pageSizes,
  rootPage,
} from './format.ts';

/**
 * Copies what a KDC notes about logins (last success, last failure, count of failures) from one
 * database of principals to the entries of the same names in another, as `kdb5_util load -i` does.
 * Entries that only one of them has stay as they are. The file `into` must be the caller's alone.
 * Both are walked along their leaves, once. Returns how many entries were changed.
 * @param from descriptor of the live file, under its shared lock
 * @param into descriptor of the new file, open for reading and writing
 * @throws NotMergeable if the live file is not a btree, or is damaged
 * @see krb5 src/plugins/kdb/db2/kdb_db2.c, krb5_db2_merge_nra_iterator
 */
export function mergeLockout(from: number, into: number): number {
  const old = new LeafWalk(from);
  const fresh = new LeafWalk(into);
  let changed = 0;
  let more = old.next() && fresh.next();
  while (more) {
    const order = compareKeys(old, fresh);
    if (order < 0) more = old.next();
    else if (order > 0) more = fresh.next();
    else {
      if (fresh.take(old)) changed += 1;
      more = old.next() && fresh.next();
    }
  }
  fresh.flush();
  return changed;
}

/** The live database cannot be read as one of principals in a btree; kdb5_util may know better. */
export class NotMergeable extends Error {
  override readonly name = 'NotMergeable';
}

/** Where the three fields begin in a principal's record, and how long they are together. */
const lockoutOffset = 22;
const lockoutBytes = 12;
const windowBytes = 1 << 18;

/** Goes from record to record in the order of their keys, and holds a piece of the file in memory. */
class LeafWalk {
  readonly #fd: number;
  readonly #littleEndian: boolean;
  readonly #pageBytes: number;
  readonly #pageCount: number;
  readonly #window: Uint8Array;
  readonly #view: DataView;
  #firstPage = 0;
  #windowPages = 0;
  #dirty = false;
  /** The leaf, and the place in it of the next record. */
  #leaf: number;
  #item = 0;
  #leavesSeen = 0;
  /** The key of the record, in a buffer that stays while the window moves. */
  key = new Uint8Array(256);
  keyBytes = 0;
  /** The page that holds the three fields, and where in it. */
  #fieldsPage = 0;
  #fieldsOffset = 0;

  constructor(fd: number) {
    this.#fd = fd;
    const meta = new Uint8Array(metaBytes);
    const view = new DataView(meta.buffer);
    const whole = readSync(fd, meta, 0, metaBytes, 0) === metaBytes;
    const littleEndian = view.getUint32(0, true) === btreeMagic;
    if (!whole || view.getUint32(0, littleEndian) !== btreeMagic) {
      throw new NotMergeable('it is not a btree of libdb2');
    }
    this.#littleEndian = littleEndian;
    this.#pageBytes = view.getUint32(8, littleEndian);
    if (view.getUint32(4, littleEndian) !== btreeVersion || !pageSizes.includes(this.#pageBytes)) {
      throw new NotMergeable('its first page is damaged');
    }
    this.#pageCount = Math.floor(fstatSync(fd).size / this.#pageBytes);
    this.#window = new Uint8Array(Math.max(windowBytes, this.#pageBytes));
    this.#view = new DataView(this.#window.buffer);
    this.#leaf = this.#firstLeaf();
  }

  /** Goes to the next record; false if there is none. */
  next(): boolean {
    for (;;) {
      const start = this.#page(this.#leaf, leafPage);
      if (this.#item < this.#itemCount(start)) {
        this.#read(start);
        return true;
      }
      const right = this.#u32(start + 8);
      if (right === 0) return false;
      this.#leavesSeen += 1;
      if (this.#leavesSeen > this.#pageCount) throw this.#damaged(this.#leaf);
      this.#leaf = right;
      this.#item = 0;
    }
  }

  /** Takes over the three fields of the other's record; false if they are the same. */
  take(other: LeafWalk): boolean {
    const source = other.#fields();
    const target = this.#fields();
    let same = true;
    for (let at = 0; at < lockoutBytes; at += 1) {
      const byte = other.#window[source + at] as number;
      if (this.#window[target + at] === byte) continue;
      this.#window[target + at] = byte;
      same = false;
    }
    if (!same) this.#dirty = true;
    return !same;
  }

  /** Writes what was changed. */
  flush(): void {
    if (!this.#dirty) return;
    const bytes = this.#windowPages * this.#pageBytes;
    for (let done = 0; done < bytes; ) {
      const position = this.#firstPage * this.#pageBytes + done;
      done += writeSync(this.#fd, this.#window, done, bytes - done, position);
    }
    this.#dirty = false;
  }

  #firstLeaf(): number {
    let number = rootPage;
    // Each level is another page, so a file with a loop ends here, too.
    for (let level = 0; level <= this.#pageCount; level += 1) {
      const start = this.#load(number);
      const kind = this.#u32(start + 12) & kindBits;
      if (kind === leafPage) return number;
      if (kind !== internalPage || this.#itemCount(start) === 0) throw this.#damaged(number);
      number = this.#u32(this.#itemStart(start, 0) + 4);
    }
    throw this.#damaged(number);
  }

  #read(start: number): void {
    const item = this.#itemStart(start, this.#item);
    const keyBytes = this.#u32(item);
    const dataBytes = this.#u32(item + 4);
    const flags = this.#window[item + 8] as number;
    const key = item + itemBytes;
    const data = key + keyBytes;
    if ((flags & bigKey) !== 0 || data + dataBytes > start + this.#pageBytes) {
      throw this.#damaged(this.#leaf);
    }
    this.#item += 1;
    if (keyBytes > this.key.length) this.key = new Uint8Array(this.#pageBytes);
    this.key.set(this.#window.subarray(key, data));
    this.keyBytes = keyBytes;
    if ((flags & bigData) !== 0) {
      this.#fieldsPage = this.#u32(data);
      this.#fieldsOffset = headerBytes + lockoutOffset;
    } else {
      if (dataBytes < lockoutOffset + lockoutBytes) throw this.#damaged(this.#leaf);
      this.#fieldsPage = this.#leaf;
      this.#fieldsOffset = data - start + lockoutOffset;
    }
  }

  /** Where the three fields of the record are in the window. */
  #fields(): number {
    const kind = this.#fieldsPage === this.#leaf ? leafPage : overflowPage;
    return this.#page(this.#fieldsPage, kind) + this.#fieldsOffset;
  }

  #itemCount(start: number): number {
    const lower = this.#view.getUint16(start + 16, this.#littleEndian);
    const count = (lower - headerBytes) / 2;
    if (count < 0 || !Number.isInteger(count) || lower > this.#pageBytes) {
      throw this.#damaged(this.#u32(start));
    }
    return count;
  }

  #itemStart(start: number, index: number): number {
    const at = start + headerBytes + 2 * index;
    const offset = this.#view.getUint16(at, this.#littleEndian);
    if (offset + itemBytes > this.#pageBytes) throw this.#damaged(this.#u32(start));
    return start + offset;
  }

  /** Where a page of this kind begins in the window. */
  #page(number: number, kind: number): number {
    const start = this.#load(number);
    if ((this.#u32(start + 12) & kindBits) !== kind) throw this.#damaged(number);
    return start;
  }

  #load(number: number): number {
    const ahead = number - this.#firstPage;
    if (ahead < 0 || ahead >= this.#windowPages) this.#move(number);
    const start = (number - this.#firstPage) * this.#pageBytes;
    if (this.#u32(start) !== number) throw this.#damaged(number);
    return start;
  }

  #move(number: number): void {
    if (number === 0 || number >= this.#pageCount) throw this.#damaged(number);
    this.flush();
    const pages = Math.min(this.#window.length / this.#pageBytes, this.#pageCount - number);
    const bytes = pages * this.#pageBytes;
    let done = 0;
    while (done < bytes) {
      const position = number * this.#pageBytes + done;
      const count = readSync(this.#fd, this.#window, done, bytes - done, position);
      if (count === 0) throw this.#damaged(number);
      done += count;
    }
    this.#firstPage = number;
    this.#windowPages = pages;
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian);
  }

  #damaged(number: number): NotMergeable {
    return new NotMergeable(`its page ${number} is damaged`);
  }
}

/** As libdb2 orders them: unsigned bytes, then the length. */
function compareKeys(one: LeafWalk, other: LeafWalk): number {
  const [a, b] = [one.key, other.key];
  const both = Math.min(one.keyBytes, other.keyBytes);
  for (let at = 0; at < both; at += 1) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return one.keyBytes - other.keyBytes;
}

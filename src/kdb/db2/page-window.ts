import { fstatSync, readSync, writeSync } from 'node:fs';

import { btreeMagic, btreeVersion, kindBits, metaBytes, pageSizes, rootPage } from './format.ts';

/** A file that should be a btree of libdb2 cannot be read as one. */
export class Db2Damage extends Error {
  override readonly name = 'Db2Damage';
}

/** Not a btree at all: a hash file, perhaps, which libdb2 knows, too. */
export class NotABtree extends Db2Damage {}

/** What page 0 of a btree says, and how many pages the file has. */
export interface Db2Form {
  readonly pageBytes: number;
  readonly pageCount: number;
  /** Of the host that made the file; the records inside do not depend on it. */
  readonly littleEndian: boolean;
}

/** @throws Db2Damage if the file is not a btree, errno */
export function db2FormOf(fd: number): Db2Form {
  const meta = new Uint8Array(metaBytes);
  const view = new DataView(meta.buffer);
  const whole = readSync(fd, meta, 0, metaBytes, 0) === metaBytes;
  const littleEndian = view.getUint32(0, true) === btreeMagic;
  if (!whole || view.getUint32(0, littleEndian) !== btreeMagic) {
    throw new NotABtree('it is not a btree of libdb2');
  }
  const pageBytes = view.getUint32(8, littleEndian);
  if (view.getUint32(4, littleEndian) !== btreeVersion || !pageSizes.includes(pageBytes)) {
    throw new Db2Damage('its first page is damaged');
  }
  const pageCount = Math.floor(fstatSync(fd).size / pageBytes);
  return { pageBytes, pageCount, littleEndian };
}

const windowBytes = 1 << 18;

/** A piece of a btree's file in memory: the pages from one that was asked for onwards. */
export class PageWindow {
  readonly form: Db2Form;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #fd: number;
  #first = 0;
  #count = 0;

  constructor(fd: number, form: Db2Form) {
    this.#fd = fd;
    this.form = form;
    this.bytes = new Uint8Array(Math.max(windowBytes, form.pageBytes));
    this.view = new DataView(this.bytes.buffer);
  }

  /** Where a page of this kind begins in `bytes`, until the next call. @throws Db2Damage, errno */
  page(number: number, kind: number): number {
    const start = this.anyPage(number);
    if (this.kindAt(start) !== kind) throw this.damaged(number);
    return start;
  }

  /** The same for a page of any kind. @throws Db2Damage, errno */
  anyPage(number: number): number {
    const ahead = number - this.#first;
    if (ahead < 0 || ahead >= this.#count) this.#move(number);
    const start = (number - this.#first) * this.form.pageBytes;
    if (this.u32(start) !== number) throw this.damaged(number);
    return start;
  }

  kindAt(start: number): number {
    return this.u32(start + 12) & kindBits;
  }

  u32(at: number): number {
    return this.view.getUint32(at, this.form.littleEndian);
  }

  u16(at: number): number {
    return this.view.getUint16(at, this.form.littleEndian);
  }

  /** Writes these bytes of a page, which was changed in the window, to the file. @throws errno */
  write(number: number, offset: number, count: number): void {
    const { pageBytes } = this.form;
    const from = (number - this.#first) * pageBytes + offset;
    for (let done = 0; done < count; ) {
      const position = number * pageBytes + offset + done;
      done += writeSync(this.#fd, this.bytes, from + done, count - done, position);
    }
  }

  damaged(number: number): Db2Damage {
    return new Db2Damage(`its page ${number} is damaged`);
  }

  #move(number: number): void {
    const { pageBytes, pageCount } = this.form;
    if (number < rootPage || number >= pageCount) throw this.damaged(number);
    const pages = Math.min(this.bytes.length / pageBytes, pageCount - number);
    this.#count = 0;
    for (let done = 0; done < pages * pageBytes; ) {
      const position = number * pageBytes + done;
      const count = readSync(this.#fd, this.bytes, done, pages * pageBytes - done, position);
      if (count === 0) throw this.damaged(number);
      done += count;
    }
    this.#first = number;
    this.#count = pages;
  }
}

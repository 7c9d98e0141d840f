import { type FileHandle, open } from 'node:fs/promises';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import {
  bigData,
  bigKey,
  btreeMagic,
  btreeVersion,
  hashMagic,
  headerBytes,
  internalPage,
  itemBytes,
  kindBits,
  leafPage,
  metaBytes,
  overflowPage,
  pageSizes,
  referenceBytes,
  rootPage,
} from './format.ts';

/** What is wrong with a db2 file, or how many records it holds. */
export type Soundness =
  | { readonly fault: string }
  /** `records` is undefined for a hash file, whose records are not counted. */
  | { readonly fault: undefined; readonly records: number | undefined };

/**
 * Checks that a file is a whole db2 database: each page that can be reached from the root of the
 * btree exists, is of the right kind, has its own number and those of its neighbours, and holds whole
 * records. A page that is missing, was never written, or is left from an earlier state is found. The
 * file is read once, from start to end, with 21 bytes of memory a page. Of a hash file, which
 * kdb5_util has not made by default since 2000, only the first page is checked.
 * @see krb5 src/plugins/kdb/db2/libdb2/btree/btree.h
 */
export async function inspectDb2(path: string): Promise<Soundness> {
  return readErrorAsFault(path, async (file) => {
    const { size: fileBytes } = await file.stat();
    const form = await formOf(file, fileBytes);
    if (typeof form === 'string') return { fault: form };
    if (form.hash) return { fault: undefined, records: undefined };
    const pages = new Pages(form, fileBytes / form.pageBytes);
    const chunk = new Uint8Array(
      form.pageBytes * Math.max(1, Math.floor(readBytes / form.pageBytes)),
    );
    for (let offset = 0; offset < fileBytes; ) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length, offset);
      const whole = bytesRead - (bytesRead % form.pageBytes);
      if (whole === 0) return { fault: 'it became shorter while it was read' };
      pages.read(chunk.subarray(0, whole), offset / form.pageBytes);
      offset += whole;
    }
    return pages.walk();
  });
}

/**
 * Why programs cannot open the file at all, judged by its first two pages; undefined if they can.
 * @throws errno if the file cannot be read
 */
export async function faultOfOpening(path: string): Promise<string | undefined> {
  const { fault } = await opened(path, async (file) => {
    const { size: fileBytes } = await file.stat();
    const form = await formOf(file, fileBytes);
    if (typeof form === 'string') return { fault: form };
    if (form.hash) return { fault: undefined, records: undefined };
    const pages = new Pages(form, fileBytes / form.pageBytes);
    const first = new Uint8Array(2 * form.pageBytes);
    await file.read(first, 0, first.length, 0);
    pages.read(first, 0);
    return pages.hasRoot
      ? { fault: undefined, records: undefined }
      : { fault: notWritten(rootPage) };
  });
  return fault;
}

async function readErrorAsFault(
  path: string,
  look: (file: FileHandle) => Promise<Soundness>,
): Promise<Soundness> {
  return opened(path, look).catch((error: unknown) => {
    // A disk that fails is a fault of the database, too.
    const errno = errnoOf(error);
    if (errno === '') throw error;
    return { fault: `it cannot be read: ${errnoText(errno)}` };
  });
}

async function opened(
  path: string,
  look: (file: FileHandle) => Promise<Soundness>,
): Promise<Soundness> {
  const file = await open(path, 'r');
  try {
    return await look(file);
  } finally {
    await file.close();
  }
}

interface Form {
  readonly hash: boolean;
  readonly pageBytes: number;
  readonly littleEndian: boolean;
}

/** What the first page says, or what is wrong with it. */
async function formOf(file: FileHandle, fileBytes: number): Promise<Form | string> {
  const meta = new DataView(new ArrayBuffer(metaBytes));
  const { bytesRead } = await file.read(meta, 0, metaBytes, 0);
  if (bytesRead < metaBytes) return fileBytes === 0 ? 'it is empty' : notWritten(0);
  for (const littleEndian of [true, false]) {
    const magic = meta.getUint32(0, littleEndian);
    if (magic === hashMagic) return { hash: true, pageBytes: 0, littleEndian };
    if (magic !== btreeMagic) continue;
    const pageBytes = meta.getUint32(8, littleEndian);
    if (meta.getUint32(4, littleEndian) !== btreeVersion || !pageSizes.includes(pageBytes)) {
      return 'its first page is damaged';
    }
    if (fileBytes % pageBytes !== 0)
      return `its ${fileBytes} bytes are not a whole number of pages`;
    if (fileBytes < 2 * pageBytes) return notWritten(rootPage);
    return { hash: false, pageBytes, littleEndian };
  }
  return notWritten(0);
}

/** The pages of one btree. First all are read, in the order of the file; then the tree is walked. */
class Pages {
  readonly #form: Form;
  readonly #count: number;
  /** The kind of each page; `damaged` if it is not valid. */
  readonly #kinds: Uint8Array;
  readonly #left: Uint32Array;
  readonly #right: Uint32Array;
  readonly #items: Uint16Array;
  readonly #children = new Map<number, readonly number[]>();
  /** Records too large for their page: the first of the pages that hold them, and their length. */
  readonly #chains: { readonly from: number; readonly first: number; readonly bytes: number }[] =
    [];

  constructor(form: Form, count: number) {
    this.#form = form;
    this.#count = count;
    this.#kinds = new Uint8Array(count);
    this.#left = new Uint32Array(count);
    this.#right = new Uint32Array(count);
    this.#items = new Uint16Array(count);
  }

  get hasRoot(): boolean {
    const kind = this.#kinds[rootPage];
    return kind === internalPage || kind === leafPage;
  }

  read(chunk: Uint8Array, firstNumber: number): void {
    const { pageBytes, littleEndian } = this.#form;
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let start = 0; start < chunk.length; start += pageBytes) {
      const number = firstNumber + start / pageBytes;
      if (number === 0 || view.getUint32(start, littleEndian) !== number) continue;
      this.#left[number] = view.getUint32(start + 4, littleEndian);
      this.#right[number] = view.getUint32(start + 8, littleEndian);
      const kind = view.getUint32(start + 12, littleEndian) & kindBits;
      if (kind === overflowPage) this.#kinds[number] = kind;
      else if (kind === leafPage || kind === internalPage) {
        if (this.#readItems(view, start, number, kind)) this.#kinds[number] = kind;
      }
    }
  }

  /** Whether all items lie inside the page, which begins at `start`. */
  #readItems(view: DataView, start: number, number: number, kind: number): boolean {
    const { pageBytes, littleEndian } = this.#form;
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const lower = view.getUint16(start + 16, littleEndian);
    // A page of 65536 bytes would say 0 here.
    const upper = view.getUint16(start + 18, littleEndian) || pageBytes;
    if (lower < headerBytes || lower % 2 !== 0 || lower > upper || upper > pageBytes) return false;
    const children: number[] = [];
    const end = start + pageBytes;
    let before: Uint8Array | undefined;
    for (let at = start + headerBytes; at < start + lower; at += 2) {
      const offset = view.getUint16(at, littleEndian);
      const item = start + offset;
      if (offset < upper || item + itemBytes > end) return false;
      const keyBytes = view.getUint32(item, littleEndian);
      const second = view.getUint32(item + 4, littleEndian);
      const flags = view.getUint8(item + 8);
      const key = item + itemBytes;
      const data = key + keyBytes;
      if (data + (kind === leafPage ? second : 0) > end) return false;
      const chain = (place: number) =>
        this.#chains.push({
          from: number,
          first: view.getUint32(place, littleEndian),
          bytes: view.getUint32(place + 4, littleEndian),
        });
      // KDCs find neither a name that is too long for its page nor the names after it.
      if ((flags & bigKey) !== 0) return false;
      if (kind === leafPage) {
        // A key is a name with its NUL, so at least two bytes long, unless zeros stand in its place.
        const name = bytes.subarray(key, data);
        if (keyBytes < 2 || name[keyBytes - 1] !== 0) return false;
        if (before !== undefined && Buffer.compare(before, name) >= 0) return false;
        before = name;
      }
      if (kind === leafPage && (flags & bigData) !== 0) {
        if (second !== referenceBytes) return false;
        chain(data);
      }
      if (kind === internalPage) children.push(second);
    }
    this.#items[number] = (lower - headerBytes) / 2;
    if (kind === internalPage) this.#children.set(number, children);
    return true;
  }

  /** Level by level from the root: the pages that the parents name must be linked in the same order. */
  walk(): Soundness {
    const seen = new Uint8Array(this.#count);
    for (let level: readonly number[] = [rootPage]; ; ) {
      const kind = this.#kinds[level[0] ?? 0];
      let records = 0;
      const next: number[] = [];
      for (const [place, number] of level.entries()) {
        if (number >= this.#count) return { fault: `page ${number} of ${this.#count} is missing` };
        if (this.#kinds[number] === damaged) return { fault: notWritten(number) };
        const linked =
          this.#left[number] === (level[place - 1] ?? 0) &&
          this.#right[number] === (level[place + 1] ?? 0);
        if (
          this.#kinds[number] !== kind ||
          kind === overflowPage ||
          !linked ||
          seen[number] === 1
        ) {
          return { fault: `page ${number} is not where it belongs` };
        }
        seen[number] = 1;
        records += this.#items[number] ?? 0;
        for (const child of this.#children.get(number) ?? []) next.push(child);
      }
      if (kind === leafPage) return this.#chainFault(seen) ?? { fault: undefined, records };
      if (next.length === 0) return { fault: `page ${level[0]} has no pages below it` };
      level = next;
    }
  }

  #chainFault(seen: Uint8Array): Soundness | undefined {
    for (const { from, first, bytes } of this.#chains) {
      // A page outside the tree is free, and its content is left over.
      if (seen[from] !== 1) continue;
      let number = first;
      for (let left = bytes; left > 0; left -= this.#form.pageBytes - headerBytes) {
        if (number >= this.#count || this.#kinds[number] !== overflowPage) {
          return { fault: notWritten(number) };
        }
        number = this.#right[number] ?? 0;
      }
    }
    return undefined;
  }
}

function notWritten(number: number): string {
  return `its page ${number} was not written`;
}

/** How much is read at a time. */
const readBytes = 1 << 20;

/** What no page has as its type. */
const damaged = 0;

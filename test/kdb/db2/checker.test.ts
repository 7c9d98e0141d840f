import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { checkBtree } from '../../../src/kdb/db2/checker.ts';
import { LeafReader } from '../../../src/kdb/db2/leaf-reader.ts';
import { Db2Damage } from '../../../src/kdb/db2/page-window.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { Databases } from '../../support/rig/native-database.ts';
import { seededRandom } from '../../support/wire/seeded-random.ts';

const pageBytes = 4096;
const seed = Math.floor(Math.random() * 2 ** 31);

let databases: Databases;
let path: string;
let digest: string;
let whole: Buffer;
beforeAll(async () => {
  databases = await Databases.open();
  const dump = databases.path('dump');
  const basedOn = `${(await databases.realLines()).join('\n')}\n`;
  const { bytes } = makeSyntheticDump(dump, 2_000, { basedOn });
  // What is to be padded goes into records of up to 60,000 bytes, which have pages of their own.
  makeSyntheticDump(dump, 2_000, { basedOn, exactBytes: bytes + 200_000 });
  ({ digest } = databases.build('checked', readFileSync(dump, 'latin1')).principals);
  path = databases.path('checked');
  whole = readFileSync(path);
});
afterAll(() => databases.close());

function check(pages: Uint8Array) {
  writeFileSync(path, pages);
  const file = openSync(path, 'r');
  try {
    return checkBtree(file);
  } finally {
    closeSync(file);
  }
}

/** Whether the file is told from the one that was written. */
function isFound(pages: Uint8Array): boolean {
  const found = check(pages);
  return found.fault !== undefined || found.digest !== digest;
}

test('the file as it was written has no fault, and its digest', () => {
  expect(check(whole)).toMatchObject({ fault: undefined, digest });
});

test(`one byte that is another one is found, wherever something stands, seed ${seed}`, () => {
  const random = seededRandom(seed);
  let meant = 0;
  for (let tries = 0; tries < 600; tries += 1) {
    const page = 1 + Math.floor(random() * (whole.length / pageBytes - 1));
    const start = page * pageBytes;
    const kind = whole.readUInt32LE(start + 12);
    const more = whole.readUInt32LE(start + 8) !== 0;
    const used =
      kind === 4
        ? // Behind the end of the data nothing means anything.
          [0, 12, 20, more ? pageBytes : 21]
        : [0, whole.readUInt16LE(start + 16), whole.readUInt16LE(start + 18), pageBytes];
    const [from = 0, to = 20, upper = 20, end = 20] = used;
    const front = Math.floor(random() * (to - from));
    const back = upper + Math.floor(random() * (end - upper));
    const at = start + (random() < 0.5 || end === upper ? from + front : back);
    const pages = Buffer.from(whole);
    pages[at] = (pages[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    // What fills an item up to a multiple of four means nothing; in a leaf it is in the digest.
    if (kind === 1 && isFiller(whole, at)) continue;
    // A page's left neighbour and the flags beside its kind mean nothing for an overflow page.
    if (kind === 4 && at - start >= 4 && at - start < 8) continue;
    if (at - start >= 12 && at - start < 16) continue;
    meant += 1;
    expect(isFound(pages), `byte ${at - start} of page ${page} (kind ${kind})`).toBe(true);
  }
  expect(meant).toBeGreaterThan(250);
});

test('pages that change places, are missing, zero, or too many are found', () => {
  const pages = whole.length / pageBytes;
  for (let page = 1; page < pages; page += Math.ceil(pages / 60)) {
    const start = page * pageBytes;
    const zero = Buffer.from(whole).fill(0, start, start + pageBytes);
    expect(isFound(zero), `page ${page} is zero`).toBe(true);
    if (page + 1 === pages) continue;
    const swapped = Buffer.from(whole);
    whole.copy(swapped, start, start + pageBytes, start + 2 * pageBytes);
    whole.copy(swapped, start + pageBytes, start, start + pageBytes);
    expect(isFound(swapped), `pages ${page} and ${page + 1}`).toBe(true);
    expect(isFound(whole.subarray(0, start)), `${page} pages`).toBe(true);
  }
  expect(isFound(Buffer.concat([whole, Buffer.alloc(pageBytes)]))).toBe(true);
  expect(isFound(Buffer.concat([whole, Buffer.alloc(1)]))).toBe(true);
  expect(isFound(new Uint8Array(0))).toBe(true);
});

test(`a file of any bytes ends in an error or in records, seed ${seed}`, () => {
  const random = seededRandom(seed + 1);
  for (let tries = 0; tries < 400; tries += 1) {
    const pages = Buffer.from(whole.subarray(0, 40 * pageBytes));
    for (let changes = 0; changes < 30; changes += 1) {
      const page = Math.floor(random() * 40);
      // Where lengths, numbers and offsets are.
      const at = page * pageBytes + Math.floor(random() * (random() < 0.7 ? 64 : pageBytes - 4));
      pages.writeUInt32LE(Math.floor(random() * 2 ** (random() < 0.5 ? 32 : 8)), at);
    }
    check(pages);
    const file = openSync(path, 'r');
    try {
      const reader = new LeafReader(file);
      while (reader.next()) {
        if (reader.dataBytes < 1 << 20) reader.copyData(new Uint8Array(reader.dataBytes), 0);
      }
    } catch (error) {
      if (!(error instanceof Db2Damage)) throw error;
    } finally {
      closeSync(file);
    }
  }
});

function isFiller(pages: Buffer, at: number): boolean {
  const start = at - (at % pageBytes);
  const count = (pages.readUInt16LE(start + 16) - 20) / 2;
  for (let item = 0; item < count; item += 1) {
    const from = start + pages.readUInt16LE(start + 20 + 2 * item);
    const end = from + 9 + pages.readUInt32LE(from);
    if (at >= end && at < Math.ceil(end / 4) * 4) return true;
  }
  return false;
}

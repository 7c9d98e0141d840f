import { type FileHandle, open } from 'node:fs/promises';

import { LeafReader } from '../db2/leaf-reader.ts';
import { entryOfLine, entryOfRecord, type MasterEntry } from './master-entry.ts';

/** What was found where a dump or a database should have the entry of the master key. */
export type FoundEntry =
  | { readonly is: 'found'; readonly entry: MasterEntry }
  | { readonly is: 'missing' }
  /** It is there, but not as kdb5_util writes it. */
  | { readonly is: 'unreadable' };

/**
 * The entry of the master key in a dump. It is read up to there: in the order of a db2 database that is
 * near its beginning. @throws errno
 */
export async function masterEntryOfDump(path: string, masterKeyName: string): Promise<FoundEntry> {
  const file = await open(path, 'r');
  try {
    const line = await lineOfName(file, Buffer.from(`\t${masterKeyName}\t`));
    return line === undefined ? { is: 'missing' } : foundOf(entryOfLine(line));
  } finally {
    await file.close();
  }
}

/** The same in the file of principals of a db2 database. @throws Db2Damage, errno */
export function masterEntryOfDatabase(fd: number, masterKeyName: string): FoundEntry {
  const wanted = Buffer.from(`${masterKeyName}\0`);
  const reader = new LeafReader(fd);
  while (reader.next()) {
    const { keyAt, keyBytes } = reader;
    const key = reader.bytes.subarray(keyAt, keyAt + keyBytes);
    const order = Buffer.compare(key, wanted);
    if (order < 0) continue;
    if (order > 0) break;
    const data = new Uint8Array(reader.dataBytes);
    reader.copyData(data, 0);
    return foundOf(entryOfRecord(data));
  }
  return { is: 'missing' };
}

function foundOf(entry: MasterEntry | undefined): FoundEntry {
  return entry === undefined ? { is: 'unreadable' } : { is: 'found', entry };
}

/** The line of the principal whose name stands in it as `needle`. */
async function lineOfName(file: FileHandle, needle: Buffer): Promise<string | undefined> {
  let window = Buffer.alloc(windowBytes);
  let end = 0;
  // Where the search goes on; the line that holds this place begins in the window.
  let from = 0;
  for (;;) {
    if (end === window.length) window = Buffer.concat([window], 2 * window.length);
    const { bytesRead } = await file.read(window, end, window.length - end);
    if (bytesRead === 0) return undefined;
    end += bytesRead;
    const held = window.subarray(0, end);
    const lineStart = held.lastIndexOf(lineFeed) + 1;
    // A needle that is cut at the end is found in the next round.
    let next = Math.max(from, end - needle.length + 1, lineStart);
    for (let at = held.indexOf(needle, from); at >= 0; at = held.indexOf(needle, at + 1)) {
      const start = held.lastIndexOf(lineFeed, at) + 1;
      if (!lineHead.test(held.toString('latin1', start, at))) continue;
      const lineEnd = held.indexOf(lineFeed, at);
      if (lineEnd >= 0) return held.toString('latin1', start, lineEnd);
      next = at;
      break;
    }
    window.copyWithin(0, lineStart, end);
    end -= lineStart;
    from = next - lineStart;
  }
}

/** What stands before the name in the line of a principal. */
const lineHead = /^princ(\t\d+){5}$/;
const lineFeed = 0x0a;
const windowBytes = 256 * 1024;

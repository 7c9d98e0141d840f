import { LeafReader } from './leaf-reader.ts';
import { Db2Damage } from './page-window.ts';

/**
 * Whether two btrees hold the same records, however they are laid out; false if one cannot be read.
 * For small files: every record is compared in memory. @throws errno
 */
export function haveSameRecords(one: number, other: number): boolean {
  try {
    const [a, b] = [new LeafReader(one), new LeafReader(other)];
    for (;;) {
      const [aMore, bMore] = [a.next(), b.next()];
      if (!aMore || !bMore) return aMore === bMore;
      if (Buffer.compare(recordOf(a), recordOf(b)) !== 0) return false;
    }
  } catch (error) {
    if (error instanceof Db2Damage) return false;
    throw error;
  }
}

/** The key, then the data; the key ends with its only NUL. */
function recordOf(reader: LeafReader): Uint8Array {
  const { keyAt, keyBytes, dataBytes } = reader;
  const record = new Uint8Array(keyBytes + dataBytes);
  record.set(reader.bytes.subarray(keyAt, keyAt + keyBytes));
  reader.copyData(record, keyBytes);
  return record;
}

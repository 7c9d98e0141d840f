import { LeafReader } from './leaf-reader.ts';

/**
 * Copies what a KDC notes about logins (last success, last failure, count of failures) from one
 * database of principals to the entries of the same names in another, as `kdb5_util load -i` does.
 * Entries that only one of them has stay as they are. The file `into` must be the caller's alone.
 * Both are walked along their leaves, once. Returns how many entries were changed.
 * @param from descriptor of the live file, under its shared lock
 * @param into descriptor of the new file, open for reading and writing
 * @throws Db2Damage if one of them is not a btree, or is damaged; errno
 * @see krb5 src/plugins/kdb/db2/kdb_db2.c, krb5_db2_merge_nra_iterator
 */
export function mergeLockout(from: number, into: number): number {
  const old = new LeafReader(from);
  const fresh = new LeafReader(into);
  let changed = 0;
  let oldMore = old.next();
  let freshMore = fresh.next();
  while (freshMore) {
    const order = oldMore ? compareKeys(old, fresh) : 1;
    if (order === 0 && fresh.takeData(old, lockoutOffset, lockoutBytes)) changed += 1;
    if (order <= 0) oldMore = old.next();
    // To its very end, where the last change is written.
    if (order >= 0) freshMore = fresh.next();
  }
  return changed;
}

/** Where the three fields begin in a principal's record, and how long they are together. */
const lockoutOffset = 22;
const lockoutBytes = 12;

/** As libdb2 orders them: unsigned bytes, then the length. */
function compareKeys(one: LeafReader, other: LeafReader): number {
  const [a, b] = [one.bytes, other.bytes];
  const both = Math.min(one.keyBytes, other.keyBytes);
  for (let index = 0; index < both; index += 1) {
    const difference = (a[one.keyAt + index] as number) - (b[other.keyAt + index] as number);
    if (difference !== 0) return difference;
  }
  return one.keyBytes - other.keyBytes;
}

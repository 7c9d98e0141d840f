// The numbers of libdb2's files: btree.h and hash.h in krb5 src/plugins/kdb/db2/libdb2.

export const btreeMagic = 0x053162;
export const btreeVersion = 3;
export const hashMagic = 0x061561;
/** What page 0 begins with; the rest of it is zero. */
export const metaBytes = 24;
export const pageSizes: readonly number[] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
/** Of every file that kdb5_util has made since 1997. */
export const newPageBytes = 4096;
export const rootPage = 1;
/** At the start of every page but page 0. */
export const headerBytes = 20;
/** Before the key of an item: two sizes, or a size and a page number; and the flags. */
export const itemBytes = 9;
/** What stands in an item instead of big data or a big key: the first page of its chain, its length. */
export const referenceBytes = 8;

// Flags of an item.
export const bigData = 1;
export const bigKey = 2;

// Types of a page, and the bits that they are in.
export const kindBits = 0x1f;
export const internalPage = 1;
export const leafPage = 2;
export const overflowPage = 4;

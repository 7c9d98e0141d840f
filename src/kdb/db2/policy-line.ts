import type { DumpFields } from '../dump/fields.ts';
import type { BtreeWriter } from './btree-writer.ts';
import { itemBytes } from './format.ts';

/**
 * Reads the lines of policies and gives their records to a btree. A record is XDR, big-endian, in the
 * oldest of its three versions that can hold what is set.
 * @see krb5 src/kadmin/dbutil/dump.c, process_r1_11_policy; src/plugins/kdb/db2/pol_xdr.c
 */
export class PolicyLines {
  readonly #fields: DumpFields;
  readonly #tree: BtreeWriter;
  /** How many fields a policy may have, its name included. */
  readonly #counts: readonly number[];
  readonly #numbers = new Uint32Array(numberCount);
  #at = 0;

  constructor(fields: DumpFields, tree: BtreeWriter, counts: readonly number[]) {
    this.#fields = fields;
    this.#tree = tree;
    this.#counts = counts;
  }

  /** Reads one line behind its first word. @throws DumpRefusal, errno */
  read(): void {
    const f = this.#fields;
    const { items, start } = this.#tree;
    f.tab();
    const nameAt = f.at;
    const nameBytes = f.wordBytes(longestNameBytes);
    f.at += nameBytes;
    const numbers = this.#numbers.fill(0);
    let fields = 1;
    for (; fields <= numberCount && f.bytes[f.at] === TAB; fields += 1) {
      f.tab();
      numbers[fields - 1] = f.bits32() >>> 0;
      if (this.#counts.includes(fields + 1) && f.bytes[f.at] === LF) {
        fields += 1;
        break;
      }
    }
    if (!this.#counts.includes(fields)) {
      // After twelve numbers come the types of the keys and the typed data.
      if (fields !== numberCount + 1 || !this.#counts.includes(allFields)) {
        f.handOver('a policy has another number of fields than its header says');
      }
      this.#readNewest(nameAt, nameBytes);
    } else this.#writeOld(nameAt, nameBytes);
    f.newline();
    const keyBytes = nameBytes + 1;
    items.set(f.bytes.subarray(nameAt, nameAt + nameBytes), start + itemBytes);
    items[start + itemBytes + nameBytes] = 0;
    const record = start + itemBytes + keyBytes;
    if (!this.#tree.add(keyBytes, this.#at - record)) {
      f.handOver('the policies are not in the order of a db2 database');
    }
  }

  #writeOld(nameAt: number, nameBytes: number): void {
    const hasLockout = this.#numbers.subarray(6, 9).some((number) => number !== 0);
    this.#writeHead(hasLockout ? 2 : 1, nameAt, nameBytes);
  }

  #readNewest(nameAt: number, nameBytes: number): void {
    const f = this.#fields;
    f.tab();
    const saltsAt = f.at;
    let saltsBytes = f.wordBytes(longestSaltsBytes);
    f.at += saltsBytes;
    if (saltsBytes === 1 && f.bytes[saltsAt] === MINUS) saltsBytes = 0;
    f.tab();
    const tlCount = f.unsigned(0x7fff);
    const isNew = this.#numbers.subarray(9).some((number) => number !== 0);
    if (!isNew && saltsBytes === 0 && tlCount === 0) {
      this.#writeOld(nameAt, nameBytes);
      return;
    }
    this.#writeHead(3, nameAt, nameBytes);
    if (saltsBytes > 0) this.#putText(saltsAt, saltsBytes);
    else this.#put(0);
    this.#put(tlCount);
    this.#put(tlCount === 0 ? 1 : 0);
    for (let tl = 0; tl < tlCount; tl += 1) this.#readTypedData();
    if (tlCount > 0) this.#put(0);
  }

  #readTypedData(): void {
    const f = this.#fields;
    f.tab();
    const type = f.signed(-0x8000, 0x7ffe);
    f.tab();
    const length = f.unsigned(0xffff);
    f.tab();
    this.#put(1);
    this.#put(type);
    this.#put(length);
    f.value(length, this.#tree.items, this.#at);
    this.#pad(length);
  }

  #writeHead(version: 1 | 2 | 3, nameAt: number, nameBytes: number): void {
    this.#at = this.#tree.start + itemBytes + nameBytes + 1;
    this.#put(magic + version);
    this.#putText(nameAt, nameBytes);
    const counted = version === 1 ? 6 : version === 2 ? 9 : numberCount;
    for (let index = 0; index < counted; index += 1) {
      // The count of references has not been kept since krb5 1.10.
      this.#put(index === referencesIndex ? 0 : (this.#numbers[index] as number));
    }
  }

  /** A string of XDR, whose length counts its NUL. */
  #putText(from: number, bytes: number): void {
    this.#put(bytes + 1);
    this.#tree.items.set(this.#fields.bytes.subarray(from, from + bytes), this.#at);
    this.#tree.items[this.#at + bytes] = 0;
    this.#pad(bytes + 1);
  }

  /** Passes over bytes that stand already, and the zeros up to a multiple of four. */
  #pad(bytes: number): void {
    const end = this.#at + bytes;
    this.#at += (bytes + 3) & ~3;
    this.#tree.items.fill(0, end, this.#at);
  }

  #put(value: number): void {
    const { items } = this.#tree;
    items[this.#at] = value >>> 24;
    items[this.#at + 1] = value >>> 16;
    items[this.#at + 2] = value >>> 8;
    items[this.#at + 3] = value;
    this.#at += 4;
  }
}

/** OSA_ADB_POLICY_VERSION_1 is this and 1, and so on. */
const magic = 0x12345d00;
/** The numbers that every policy of the newest version has. */
const numberCount = 12;
/** Those, the name, the types of the keys, and the count of typed data. */
const allFields = 15;
const referencesIndex = 5;
const longestNameBytes = 1023;
const longestSaltsBytes = 512;
const TAB = 0x09;
const LF = 0x0a;
const MINUS = 0x2d;

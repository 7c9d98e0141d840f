import type { DumpFields } from '../dump/fields.ts';
import { nameFault, nameLimitBytes } from '../dump/names.ts';
import type { BtreeWriter } from './btree-writer.ts';
import { itemBytes } from './format.ts';

/**
 * Reads the lines of principals and gives their records to a btree. What a record holds, in the order
 * of the bytes: 38 bytes of numbers, the name, the typed data, the keys; little-endian on every machine.
 * @see krb5 src/kadmin/dbutil/dump.c, process_k5beta7_princ; src/plugins/kdb/db2/kdb_xdr.c
 */
export class PrincipalLines {
  readonly #fields: DumpFields;
  readonly #tree: BtreeWriter;
  readonly #masterKey: Uint8Array;
  hasMasterKey = false;

  /** @param masterKey the canonical name of the entry without which the database cannot be opened */
  constructor(fields: DumpFields, tree: BtreeWriter, masterKey: Uint8Array) {
    this.#fields = fields;
    this.#tree = tree;
    this.#masterKey = masterKey;
  }

  /** Reads one line behind its first word. @throws DumpRefusal, errno */
  read(): void {
    const f = this.#fields;
    const { items, start } = this.#tree;
    f.tab();
    if (f.unsigned(0xffff) !== baseBytes) f.refuse('the base length is not 38');
    f.tab();
    const nameBytes = f.unsigned(0x7fff_ffff);
    if (nameBytes >= nameLimitBytes) f.refuse('the name is too long for a db2 database');
    f.tab();
    const tlCount = f.unsigned(0x7fff);
    f.tab();
    const keyCount = f.unsigned(0x7fff);
    f.tab();
    if (f.unsigned(0xffff_ffff) !== 0) f.refuse('the length of the extra data is not 0');
    f.tab();
    const key = start + itemBytes;
    const record = key + nameBytes + 1;
    const name = record + baseBytes + 2;
    this.#readName(nameBytes, key, name);
    put16(items, record, baseBytes);
    for (let at = record + 2; at < record + 34; at += 4) {
      f.tab();
      put32(items, at, f.bits32());
    }
    f.tab();
    put16(items, record + 34, tlCount);
    put16(items, record + 36, keyCount);
    put16(items, record + 38, nameBytes + 1);
    let at = name + nameBytes + 1;
    for (let tl = 0; tl < tlCount; tl += 1) at = this.#readTypedData(at);
    for (let number = 0; number < keyCount; number += 1) at = this.#readKey(at);
    if (f.bytes[f.at] !== MINUS || f.bytes[f.at + 1] !== ONE || f.bytes[f.at + 2] !== SEMICOLON) {
      f.handOver('a principal does not end with -1;');
    }
    f.at += 3;
    f.newline();
    if (!this.#tree.add(nameBytes + 1, at - record)) {
      f.handOver('the principals are not in the order of a db2 database');
    }
  }

  /** Copies the name, with a NUL behind it, to both of its places. */
  #readName(nameBytes: number, key: number, name: number): void {
    const f = this.#fields;
    const { items } = this.#tree;
    const { bytes, at: begin } = f;
    const end = begin + nameBytes;
    if (nameBytes === 0 || end >= f.end) f.handOver('a name is not as long as announced');
    const fault = nameFault(bytes, begin, end);
    if (fault !== undefined) f.handOver(fault);
    for (let index = 0; index < nameBytes; index += 1) {
      const byte = bytes[begin + index] as number;
      items[key + index] = byte;
      items[name + index] = byte;
    }
    items[key + nameBytes] = 0;
    items[name + nameBytes] = 0;
    f.at = end;
    if (!this.hasMasterKey) this.hasMasterKey = f.isAt(begin, end, this.#masterKey);
  }

  #readTypedData(at: number): number {
    const f = this.#fields;
    const { items } = this.#tree;
    const type = f.signed(-0x8000, 0x7fff);
    if (type === databaseArguments) f.refuse('typed data 32767 cannot be stored');
    f.tab();
    const length = f.unsigned(0xffff);
    f.tab();
    put16(items, at, type);
    put16(items, at + 2, length);
    f.value(length, items, at + 4);
    f.tab();
    return at + 4 + length;
  }

  #readKey(start: number): number {
    const f = this.#fields;
    const { items } = this.#tree;
    if (f.bytes[f.at] === MINUS) f.refuse('the version of a key is negative');
    const parts = f.unsigned(2);
    f.tab();
    put16(items, start, parts);
    put16(items, start + 2, f.unsigned(0xffff));
    f.tab();
    let at = start + 4;
    for (let part = 0; part < parts; part += 1) {
      put16(items, at, f.signed(-0x8000, 0x7fff));
      f.tab();
      const length = f.unsigned(0xffff);
      f.tab();
      put16(items, at + 2, length);
      f.value(length, items, at + 4);
      f.tab();
      at += 4 + length;
    }
    return at;
  }
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >> 8;
}

function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** KRB5_KDB_V1_BASE_LENGTH: the numbers of a record, and what its first two bytes say. */
const baseBytes = 38;
/** KRB5_TL_DB_ARGS: kdb5_util may crash on it. */
const databaseArguments = 32767;
const MINUS = 0x2d;
const ONE = 0x31;
const SEMICOLON = 0x3b;

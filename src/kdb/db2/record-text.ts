import type { DumpVersion } from '../dump/dump-version.ts';
import type { LineWriter } from '../dump/line-writer.ts';
import { Db2Damage } from './page-window.ts';

/**
 * Writes the records of a db2 database as the lines of a dump, as kdb5_util dump does.
 * @see krb5 src/kadmin/dbutil/dump.c, k5beta7_common and dump_r1_11_policy;
 * src/plugins/kdb/db2/kdb_xdr.c and pol_xdr.c
 */
export class RecordText {
  readonly #out: LineWriter;
  readonly #version: DumpVersion;
  /** Where the keys of the entry begin, and their version numbers. */
  readonly #keyStarts: number[] = [];
  readonly #kvnos: number[] = [];

  constructor(out: LineWriter, version: DumpVersion) {
    this.#out = out;
    this.#version = version;
  }

  /** @param end where the record ends in `bytes` @throws Db2Damage */
  principal(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    // A key of four bytes may become fifteen letters; nothing grows by more than that.
    out.reserve(4 * (end - start) + 512);
    const nameBytes = end - start < shortestBytes ? 0 : u16(bytes, start + 38);
    const name = start + 40;
    const tls = name + nameBytes;
    if (nameBytes === 0 || tls > end || u16(bytes, start) !== baseBytes) throw damaged();
    const keys = this.#skipTypedData(bytes, tls, end, u16(bytes, start + 34));
    this.#readKeys(bytes, keys, end, u16(bytes, start + 36));
    const tlCount = u16(bytes, start + 34) - this.#leftOut(bytes, start, tls);
    out.copy(princ, 0, princ.length);
    out.field(baseBytes);
    out.field(nameBytes - 1);
    out.field(tlCount);
    out.field(this.#kvnos.length);
    out.field(0);
    out.byte(TAB);
    out.copy(bytes, name, nameBytes - 1);
    for (let field = 0; field < fieldCount; field += 1) {
      const value = u32(bytes, start + 2 + 4 * field);
      if (this.#version.zeroLockout && field >= 5) out.field(0);
      else out.field(isSigned(field) ? value | 0 : value);
    }
    this.#typedData(bytes, tls, u16(bytes, start + 34));
    this.#writeKeys(bytes);
    out.copy(ending, 0, ending.length);
  }

  /** How many items of typed data this version does not have. */
  #leftOut(bytes: Uint8Array, start: number, tls: number): number {
    if (!this.#version.omitKadminData) return 0;
    let count = 0;
    let at = tls;
    for (let tl = u16(bytes, start + 34); tl > 0; tl -= 1) {
      if (u16(bytes, at) === kadminData) count += 1;
      at += 4 + u16(bytes, at + 2);
    }
    return count;
  }

  #skipTypedData(bytes: Uint8Array, tls: number, end: number, count: number): number {
    let at = tls;
    for (let tl = 0; tl < count; tl += 1) {
      if (at + 4 > end) throw damaged();
      at += 4 + u16(bytes, at + 2);
    }
    if (at > end) throw damaged();
    return at;
  }

  #typedData(bytes: Uint8Array, tls: number, count: number): void {
    let at = tls;
    for (let tl = 0; tl < count; tl += 1) {
      const type = u16(bytes, at);
      const length = u16(bytes, at + 2);
      if (!(this.#version.omitKadminData && type === kadminData)) {
        this.#out.field((type << 16) >> 16);
        this.#out.field(length);
        this.#out.hexField(bytes, at + 4, length);
      }
      at += 4 + length;
    }
  }

  /** Finds the keys, and puts them in the order in which libkdb5 gives them: by kvno, descending. */
  #readKeys(bytes: Uint8Array, keys: number, end: number, count: number): void {
    const starts = this.#keyStarts;
    const kvnos = this.#kvnos;
    starts.length = 0;
    kvnos.length = 0;
    let at = keys;
    for (let number = 0; number < count; number += 1) {
      if (at + 4 > end) throw damaged();
      const kvno = u16(bytes, at + 2);
      let place = number;
      for (; place > 0 && (kvnos[place - 1] as number) < kvno; place -= 1) {
        starts[place] = starts[place - 1] as number;
        kvnos[place] = kvnos[place - 1] as number;
      }
      starts[place] = at;
      kvnos[place] = kvno;
      const parts = u16(bytes, at);
      at += 4;
      for (let part = 0; part < parts; part += 1) {
        if (at + 4 > end) throw damaged();
        at += 4 + u16(bytes, at + 2);
      }
    }
    if (at !== end) throw damaged();
  }

  #writeKeys(bytes: Uint8Array): void {
    const out = this.#out;
    for (const start of this.#keyStarts) {
      const parts = u16(bytes, start);
      out.field(parts);
      out.field(u16(bytes, start + 2));
      let at = start + 4;
      for (let part = 0; part < parts; part += 1) {
        const length = u16(bytes, at + 2);
        out.field((u16(bytes, at) << 16) >> 16);
        out.field(length);
        out.hexField(bytes, at + 4, length);
        at += 4 + length;
      }
    }
  }

  /** @throws Db2Damage */
  policy(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    out.reserve(4 * (end - start) + 512);
    const record = new PolicyRecord(bytes, start, end);
    const version = record.number() - policyMagic;
    if (version < 1 || version > 3) throw damaged();
    const name = record.text();
    const numbers: number[] = [];
    const stored = version === 1 ? 6 : version === 2 ? 9 : 12;
    for (let index = 0; index < 12; index += 1) numbers.push(index < stored ? record.number() : 0);
    const salts = version === 3 ? record.text() : new Uint8Array(0);
    const typed = version === 3 ? record.typedData() : [];
    out.copy(policy, 0, policy.length);
    out.copy(name, 0, name.length);
    const fields = this.#version.policyFields - 1;
    for (let index = 0; index < Math.min(fields, 12); index += 1) {
      // dump.c prints all of them with %d, and never the count of references.
      out.field(index === 5 ? 0 : (numbers[index] as number) | 0);
    }
    if (fields > 12) {
      out.byte(TAB);
      if (salts.length === 0) out.byte(MINUS);
      else out.copy(salts, 0, salts.length);
      out.field(typed.length);
      // libkdb5 reads them into a list from the end.
      for (const { type, data } of typed.reverse()) {
        out.field(type);
        out.field(data.length);
        out.hexField(data, 0, data.length);
      }
    }
    out.byte(LF);
  }
}

/** A record of a policy, in XDR. */
class PolicyRecord {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#end = end;
  }

  number(): number {
    this.#require(4);
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4);
  }

  /** A string without its NUL; empty if there is none. */
  text(): Uint8Array {
    return this.#opaque().slice(0, -1);
  }

  typedData(): { type: number; data: Uint8Array }[] {
    const count = this.number();
    const items: { type: number; data: Uint8Array }[] = [];
    // No items: the pointer to the list is absent; else each is announced, and the end, too.
    if (count === 0) return items;
    if (this.number() !== 0) throw damaged();
    while (this.number() === 1) items.push({ type: this.number() | 0, data: this.#opaque() });
    if (items.length !== count) throw damaged();
    return items;
  }

  #opaque(): Uint8Array {
    const count = this.number();
    this.#require(count);
    const from = this.#at;
    this.#at += Math.ceil(count / 4) * 4;
    return this.#bytes.slice(from, from + count);
  }

  #require(count: number): void {
    if (count > this.#end - this.#at) throw damaged();
  }
}

/** Attributes, the two lives, and the count of failures are printed with a sign; times without. */
function isSigned(field: number): boolean {
  return field <= 2 || field === 7;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

function damaged(): Db2Damage {
  return new Db2Damage('it has a record that is damaged');
}

const princ = Buffer.from('princ');
const policy = Buffer.from('policy\t');
const ending = Buffer.from('\t-1;\n');
const baseBytes = 38;
const shortestBytes = 42;
const fieldCount = 8;
/** KRB5_TL_KADM_DATA */
const kadminData = 3;
const policyMagic = 0x12345d00;
const TAB = 0x09;
const LF = 0x0a;
const MINUS = 0x2d;

import { DumpFields } from '../dump/fields.ts';
import { type DumpHeader, readDumpHeader } from '../dump/header.ts';
import { BtreeWriter } from './btree-writer.ts';
import { PolicyLines } from './policy-line.ts';
import { PrincipalLines } from './principal-line.ts';

export interface BuilderOptions {
  /** Descriptors of two empty files, open for writing. */
  readonly principals: number;
  readonly policies: number;
  /** The canonical name of the master key's entry, such as K/M@REALM. */
  readonly masterKey: string;
}

/** What was written from a whole dump. */
export interface Built {
  readonly header: DumpHeader;
  readonly principals: BuiltFile;
  readonly policies: BuiltFile;
}

export interface BuiltFile {
  readonly records: number;
  /** Of all keys and data, made while they were encoded; see checkBtree. */
  readonly digest: string;
}

/**
 * Writes the two files of a db2 database from a dump that comes in pieces of any size. It takes only
 * what kdb5_util would load without a word and without changing it. Neither file is a database until
 * `finish`. Memory: 10 MB, what a piece needs, and 30 bytes for each page of leaves.
 * @see krb5 src/kadmin/dbutil/dump.c, src/plugins/kdb/db2
 */
export class DatabaseBuilder {
  readonly #fields = new DumpFields();
  readonly #principalTree: BtreeWriter;
  readonly #policyTree: BtreeWriter;
  readonly #principals: PrincipalLines;
  #policies: PolicyLines | undefined;
  #header: DumpHeader | undefined;
  /** A line that has not ended yet. */
  #rest = new Uint8Array(0);
  #restBytes = 0;
  #ended = false;

  constructor(o: BuilderOptions) {
    this.#principalTree = new BtreeWriter(o.principals);
    this.#policyTree = new BtreeWriter(o.policies);
    const masterKey = Buffer.from(o.masterKey);
    this.#principals = new PrincipalLines(this.#fields, this.#principalTree, masterKey);
  }

  /** Takes the next bytes of the dump. The piece may be changed afterwards. @throws DumpRefusal, errno */
  push(piece: Uint8Array): void {
    let rest = piece;
    if (this.#restBytes > 0) {
      const firstEnd = piece.indexOf(LF) + 1;
      this.#keep(firstEnd === 0 ? piece : piece.subarray(0, firstEnd));
      if (firstEnd === 0) return;
      const lineBytes = this.#restBytes;
      this.#restBytes = 0;
      this.#readLines(this.#rest, lineBytes);
      rest = piece.subarray(firstEnd);
    }
    const end = rest.lastIndexOf(LF) + 1;
    if (end > 0) this.#readLines(rest, end);
    this.#keep(rest.subarray(end));
  }

  /** After the last piece. @throws DumpRefusal, errno */
  finish(): Built {
    const f = this.#fields;
    if (this.#restBytes > 0) {
      f.line += 1;
      f.refuse('the dump ends in the middle of a line');
    }
    if (this.#ended) f.handOver('the dump ends with End');
    const header = this.#header ?? f.refuse('the dump is empty');
    if (!this.#principals.hasMasterKey) f.refuse('the dump has no entry of the master key');
    return {
      header,
      principals: finished(this.#principalTree),
      policies: finished(this.#policyTree),
    };
  }

  #keep(bytes: Uint8Array): void {
    const whole = this.#restBytes + bytes.length;
    if (whole > longestLineBytes) {
      this.#fields.line += 1;
      this.#fields.handOver('a line is longer than 16 MiB');
    }
    if (whole > this.#rest.length) {
      const larger = new Uint8Array(2 * whole);
      larger.set(this.#rest.subarray(0, this.#restBytes));
      this.#rest = larger;
    }
    this.#rest.set(bytes, this.#restBytes);
    this.#restBytes = whole;
  }

  /** Reads lines of which the last one ends at `end`. */
  #readLines(bytes: Uint8Array, end: number): void {
    const f = this.#fields;
    f.bytes = bytes;
    f.at = 0;
    f.end = end;
    // A record is shorter than its line but for its name, which it has twice, and a few bytes.
    this.#principalTree.reserve(2 * end + 128);
    this.#policyTree.reserve(2 * end + 128);
    while (f.at < end) {
      f.line += 1;
      if (this.#ended) f.refuse('lines follow the line End, which kdb5_util would not read');
      if (this.#policies === undefined && f.skip(princ)) this.#readPrincipal();
      else this.#readOther();
    }
  }

  #readPrincipal(): void {
    if (this.#header === undefined) this.#fields.refuse('the dump has no header');
    this.#principals.read();
  }

  #readOther(): void {
    const f = this.#fields;
    if (this.#header === undefined) this.#readHeader();
    else if (f.skip(policy)) {
      this.#policies ??= new PolicyLines(f, this.#policyTree, this.#header.policyFields);
      this.#policies.read();
    } else if (f.skip(endLine)) this.#ended = true;
    else if (f.skip(princ)) f.handOver('a principal stands behind a policy');
    else f.handOver('a line is neither a principal nor a policy');
  }

  #readHeader(): void {
    const f = this.#fields;
    const lineEnd = f.bytes.indexOf(LF, f.at);
    const line = Buffer.from(f.bytes.subarray(f.at, Math.min(lineEnd, f.at + 128)));
    this.#header =
      readDumpHeader(line.toString('latin1')) ?? f.handOver('the header is not one that is known');
    f.at = lineEnd + 1;
  }
}

function finished(tree: BtreeWriter): BuiltFile {
  return { digest: tree.finish(), records: tree.records };
}

const longestLineBytes = 16 << 20;
const princ = Buffer.from('princ');
const policy = Buffer.from('policy');
const endLine = Buffer.from('End\n');
const LF = 0x0a;

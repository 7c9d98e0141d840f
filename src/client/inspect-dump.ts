import { createHash, type Hash } from 'node:crypto';
import { constants, open } from 'node:fs/promises';

import { errnoOf } from '../errors/com-err.ts';
import { KpropError } from '../errors/kprop-error.ts';

export interface InspectDumpOptions {
  /** Names of principals that the digest leaves out. */
  readonly without?: readonly string[] | undefined;
  /** The entry of the master key; none is looked for unless given. */
  readonly masterKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a dump is about. */
export interface DumpSummary {
  /** The first line. */
  readonly header: string;
  readonly bytes: number;
  readonly principals: number;
  readonly policies: number;
  /** Whether it ends with a whole line. */
  readonly complete: boolean;
  /** Key version of the master key's entry; undefined if there is no such entry. */
  readonly masterKvno: number | undefined;
  /**
   * SHA-256 in hex of all that a propagation is for: without what each KDC notes about logins, and
   * without the principals that were named. Two dumps with one digest need not be sent both.
   */
  readonly digest: string;
}

/**
 * Reads a dump of kdb5_util once, from beginning to end; memory does not grow with it.
 * @throws dump.read, the signal's reason
 */
export async function inspectDump(path: string, o: InspectDumpOptions = {}): Promise<DumpSummary> {
  const inspection = new Inspection(o);
  try {
    const file = await open(path, constants.O_RDONLY);
    try {
      for (;;) {
        o.signal?.throwIfAborted();
        const buffer = Buffer.allocUnsafe(pieceBytes);
        const { bytesRead } = await file.read(buffer, 0, pieceBytes);
        if (bytesRead === 0) break;
        inspection.take(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (o.signal?.aborted) throw cause;
    throw new KpropError('dump.read', { path, errno: errnoOf(cause) }, { cause });
  }
  return inspection.summary();
}

class Inspection {
  readonly #without: readonly Buffer[];
  readonly #masterKey: string | undefined;
  readonly #hash: Hash = createHash('sha256');
  readonly #counts = { principals: 0, policies: 0, bytes: 0 };
  #header: string | undefined;
  #masterKvno: number | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor({ without = [], masterKey }: InspectDumpOptions) {
    this.#without = without.map((name) => Buffer.from(`\t${name}\t`));
    this.#masterKey = masterKey;
  }

  take(piece: Buffer): void {
    this.#counts.bytes += piece.length;
    const data = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece]);
    const kept = Buffer.allocUnsafe(data.length);
    let used = 0;
    let start = 0;
    for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
      used = this.#line(data, start, end + 1, kept, used);
      start = end + 1;
    }
    this.#hash.update(kept.subarray(0, used));
    this.#rest = data.subarray(start);
  }

  summary(): DumpSummary {
    return {
      header: this.#header ?? '',
      ...this.#counts,
      complete: this.#header !== undefined && this.#rest.length === 0,
      masterKvno: this.#masterKvno,
      digest: this.#hash.digest('hex'),
    };
  }

  /** Copies what counts of a line; where the copy ends. */
  #line(data: Buffer, start: number, end: number, kept: Buffer, used: number): number {
    if (this.#header === undefined) {
      this.#header = data.toString('latin1', start, end).trimEnd();
      // The number of a resync dump differs each time.
      return used + kept.write(this.#header.replace(/ .*/, ''), used, 'latin1');
    }
    if (data[start + 1] !== secondOfPrinc) {
      this.#counts.policies += 1;
      return used + data.copy(kept, used, start, end);
    }
    this.#counts.principals += 1;
    // princ, five counts, the name, five numbers; then three that each KDC has for itself.
    const volatileAt = afterTabs(data, start, end, 12);
    const head = data.subarray(start, volatileAt);
    if (this.#masterKvno === undefined && this.#masterKey !== undefined) {
      if (head.includes(`\t${this.#masterKey}\t`)) {
        this.#masterKvno = kvnoIn(data.toString('latin1', start, end));
      }
    }
    if (this.#without.some((name) => head.includes(name))) return used;
    const copied = used + data.copy(kept, used, start, volatileAt);
    return copied + data.copy(kept, copied, afterTabs(data, volatileAt, end, 3), end);
  }
}

/** Where the text after so many tabs begins. */
function afterTabs(data: Buffer, start: number, end: number, count: number): number {
  let at = start;
  for (let left = count; left > 0 && at < end; at += 1) if (data[at] === tab) left -= 1;
  return at;
}

/** The version of the first key of an entry. @see krb5 src/kadmin/dbutil/dump.c */
function kvnoIn(line: string): number | undefined {
  const fields = line.split('\t');
  const typedData = Number(fields[3]);
  const kvno = Number(fields[15 + 3 * typedData + 1]);
  return Number.isSafeInteger(kvno) ? kvno : undefined;
}

const pieceBytes = 1 << 20;
const newline = 0x0a;
const tab = 0x09;
/** A policy's line begins with "po". */
const secondOfPrinc = 'r'.charCodeAt(0);

import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';

export interface SyntheticDumpOptions {
  /** The text of a real dump, whose records are kept; one of them is the mould of all others. */
  readonly basedOn: string;
  /** The size of the file to the byte; fewer principals than asked for if no more fit. */
  readonly exactBytes?: number;
}

export interface SyntheticDump {
  readonly path: string;
  readonly bytes: number;
  /** How many were made, beside those of the real dump. */
  readonly principals: number;
}

const serialDigits = 9;
const batchRecords = 8192;
const longestName = 98; // 100 would need one more digit in the record
const spareTlType = 900; // nobody reads it
const longestTlBytes = 60_000; // the record holds 16 bits

/**
 * Writes a dump that kdb5_util load accepts, and its .dump_ok: the real records, and principals
 * u000000001, u000000002 … with the keys of a real one. Pass Infinity to fill `exactBytes`.
 */
export function makeSyntheticDump(
  path: string,
  principals: number,
  o: SyntheticDumpOptions,
): SyntheticDump {
  const lines = o.basedOn.trimEnd().split('\n');
  const mould = Mould.from(lines);
  // In the order of a db2 database, as kdb5_util dump writes it.
  const isBehind = (line: string) => line.startsWith('policy\t') || nameIn(line) > 'u';
  const head = bytesOf(lines.filter((line) => !isBehind(line)));
  const tail = bytesOf(lines.filter(isBehind));
  const room = (o.exactBytes ?? Number.POSITIVE_INFINITY) - head.length - tail.length;
  if (room < 0) throw new Error('exactBytes is less than the real dump has');
  const count = Math.min(principals, Math.floor(room / mould.record(1).length));
  if (!Number.isFinite(count)) throw new Error('neither a number of principals nor exactBytes');

  const file = openSync(path, 'w', 0o600);
  let bytes = 0;
  const write = (data: Uint8Array) => {
    bytes += data.length;
    for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
  };
  try {
    write(head);
    let serial = 1;
    let padding = o.exactBytes === undefined ? 0 : room - count * mould.record(1).length;
    for (; padding > 0; serial++) {
      if (serial > count) throw new Error('more padding than the principals can carry');
      const record = mould.padded(serial, padding);
      padding -= record.length - mould.record(serial).length;
      write(record);
    }
    for (const batch of mould.batches(serial, count)) write(batch);
    write(tail);
  } finally {
    closeSync(file);
  }
  writeFileSync(`${path}.dump_ok`, '\0', { mode: 0o600 });
  return { path, bytes, principals: count };
}

/** A real principal's record, cut where the name goes in. */
class Mould {
  readonly #counts: readonly string[]; // strlen(name), n_tl, n_key, e_len
  readonly #realm: string;
  readonly #attributes: string; // from the attributes to fail_count
  readonly #rest: string; // TL data, keys, e_data

  private constructor(line: string) {
    const [, , length = '', ...counts] = line.split('\t', 6);
    const nameStart = ['princ', '38', length, ...counts, ''].join('\t').length;
    const nameEnd = nameStart + Number(length);
    const attributes = /^(?:\t\d+){8}/.exec(line.slice(nameEnd))?.[0];
    if (attributes === undefined) throw new Error('the real dump has a record of another shape');
    this.#counts = counts;
    this.#realm = line.slice(line.lastIndexOf('@', nameEnd), nameEnd);
    this.#attributes = attributes;
    this.#rest = `${line.slice(nameEnd + attributes.length)}\n`;
  }

  /** The last user of the dump, or a host where there is none. */
  static from(lines: readonly string[]): Mould {
    const named = (pattern: RegExp) => lines.findLast((line) => pattern.test(line));
    const line =
      named(/^princ(\t\d+){5}\t(?!K\/M@|krbtgt\/|kadmin\/|kiprop\/|host\/)/) ??
      named(/^princ(\t\d+){5}\thost\//);
    if (line === undefined) throw new Error('the real dump has no principal to copy');
    return new Mould(line);
  }

  record(serial: number): Buffer {
    return this.#assemble(serial, '', 0);
  }

  /** A record longer by `extraBytes`, or by as much as one can carry. */
  padded(serial: number, extraBytes: number): Buffer {
    const nameRoom = longestName - this.#name(serial).length;
    if (extraBytes <= nameRoom) return this.#assemble(serial, 'x'.repeat(extraBytes), 0);
    let tlBytes = Math.min(longestTlBytes, extraBytes >> 1);
    while (tlField(tlBytes).length > extraBytes) tlBytes--;
    const rest = Math.min(nameRoom, extraBytes - tlField(tlBytes).length);
    return this.#assemble(serial, 'x'.repeat(rest), tlBytes);
  }

  /** The records from one serial number to another, many at a time in one buffer that is used again. */
  *batches(from: number, to: number): Generator<Uint8Array> {
    if (from > to) return;
    const record = this.record(from);
    const serialStart = record.indexOf('\tu') + 2;
    const batch = Buffer.alloc(record.length * batchRecords, record);
    for (let serial = from; serial <= to; ) {
      const records = Math.min(batchRecords, to - serial + 1);
      for (let index = 0; index < records; index++) {
        let digit = index * record.length + serialStart + serialDigits - 1;
        for (let left = serial++; left > 0; left = Math.floor(left / 10)) {
          batch[digit--] = 0x30 + (left % 10);
        }
      }
      yield batch.subarray(0, records * record.length);
    }
  }

  #name(serial: number, suffix = ''): string {
    return `u${String(serial).padStart(serialDigits, '0')}${suffix}${this.#realm}`;
  }

  #assemble(serial: number, suffix: string, tlBytes: number): Buffer {
    const [tls, keys, extraLength] = this.#counts;
    const name = this.#name(serial, suffix);
    const allTls = Number(tls) + (tlBytes > 0 ? 1 : 0);
    const start = ['princ', 38, name.length, allTls, keys, extraLength, name].join('\t');
    const tl = tlBytes > 0 ? tlField(tlBytes) : '';
    return Buffer.from(`${start}${this.#attributes}${tl}${this.#rest}`, 'latin1');
  }
}

/** The name in a principal's line; '' in any other. */
function nameIn(line: string): string {
  const [word, , length, , , , name = ''] = line.split('\t', 7);
  return word === 'princ' ? name.slice(0, Number(length)) : '';
}

function tlField(bytes: number): string {
  return `\t${spareTlType}\t${bytes}\t${'5a'.repeat(bytes)}`;
}

function bytesOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
}

import { isKpropError, KpropError } from '../../../errors/kprop-error.ts';
import { ByteReader, concat } from '../../bytes.ts';
import { nameBytes, nameText, Principal } from '../messages/principal.ts';

export interface KeytabFields {
  readonly principal: Principal;
  /** When the entry was written, seconds since 1970 UTC, unsigned 32 bits. */
  readonly timestampSeconds: number;
  readonly kvno: number;
  /** Any number; it may be of an encryption type that is not supported. */
  readonly enctype: number;
  readonly key: Uint8Array;
}

/** One long-term key of one principal. Its bytes do not appear when it is printed. */
export class KeytabEntry implements KeytabFields {
  readonly principal: Principal;
  readonly timestampSeconds: number;
  readonly kvno: number;
  readonly enctype: number;
  readonly #key: Uint8Array;

  constructor(fields: KeytabFields) {
    this.principal = fields.principal;
    this.timestampSeconds = fields.timestampSeconds;
    this.kvno = fields.kvno;
    this.enctype = fields.enctype;
    this.#key = fields.key;
  }

  get key(): Uint8Array {
    return this.#key;
  }
}

/** The keys of a keytab, looked up as MIT's acceptor and initiator do (kt_file.c). */
export class Keytab {
  /** Its name in errors, such as `FILE:/etc/krb5.keytab`. */
  readonly name: string;
  readonly entries: readonly KeytabEntry[];

  constructor(name: string, entries: readonly KeytabEntry[]) {
    this.name = name;
    this.entries = entries;
  }

  /**
   * The key of this principal, key version and enctype. A kvno of 0, asked for or stored, matches
   * any, and the most recent key is returned. @throws keytab.no-key, keytab.wrong-kvno
   */
  find(principal: Principal, kvno: number, enctype: number): KeytabEntry {
    let found: KeytabEntry | undefined;
    let otherKvno = false;
    for (const entry of this.entries) {
      if (entry.enctype !== enctype || !entry.principal.equals(principal)) continue;
      if (kvno === 0 || entry.kvno === 0) {
        if (found === undefined || isMoreRecent(entry, found)) found = entry;
      } else if (entry.kvno === kvno) {
        return entry;
      } else if (entry.kvno === (kvno & 0xff) && found === undefined) {
        // Writers before krb5 1.14 kept the low 8 bits only.
        found = entry;
      } else {
        otherKvno = true;
      }
    }
    if (found !== undefined) return found;
    const detail = { principal: principal.toString(), keytab: this.name };
    throw otherKvno
      ? new KpropError('keytab.wrong-kvno', { ...detail, kvno })
      : new KpropError('keytab.no-key', detail);
  }

  /** The most recent key of a principal, of whatever enctype. @throws keytab.no-key */
  newestOf(principal: Principal): KeytabEntry {
    let found: KeytabEntry | undefined;
    for (const entry of this.entries) {
      if (!entry.principal.equals(principal)) continue;
      if (found === undefined || isMoreRecent(entry, found)) found = entry;
    }
    if (found !== undefined) return found;
    throw new KpropError('keytab.no-key', { principal: `${principal}`, keytab: this.name });
  }

  /** The enctypes of the principal's highest kvno, in file order; none if it has no key. */
  enctypesOf(principal: Principal): readonly number[] {
    const own = this.entries.filter((entry) => entry.principal.equals(principal));
    const highest = own.reduce((kvno, entry) => Math.max(kvno, entry.kvno), 0);
    const newest = own.filter((entry) => entry.kvno === highest);
    return [...new Set(newest.map((entry) => entry.enctype))];
  }
}

/**
 * The entries of a keytab file up to its end, a zero length or the first malformed entry, which
 * hides all later ones as in MIT's reader. Keys are copies. @throws keytab.format
 * @see MIT keytab file format, versions 1 and 2
 */
export function parseKeytab(bytes: Uint8Array, path: string): readonly KeytabEntry[] {
  const version = bytes[1];
  if (bytes[0] !== magic || (version !== 1 && version !== 2)) {
    throw new KpropError('keytab.format', { path, reason: 'unknown format version' });
  }
  const entries: KeytabEntry[] = [];
  let offset = 2;
  while (bytes.length - offset >= 4) {
    const reader = new ByteReader(bytes.subarray(offset), path, version === 1 && hostIsLittle);
    const recordBytes = reader.int32();
    if (recordBytes === holeOfNoSize) {
      throw new KpropError('keytab.format', { path, reason: 'bad record length' });
    }
    if (recordBytes === 0) break;
    if (recordBytes > 0) {
      const entry = readEntry(reader, version, recordBytes);
      if (entry === undefined) break;
      entries.push(entry);
    }
    offset += 4 + Math.abs(recordBytes);
  }
  return entries;
}

/**
 * A keytab file of these entries, version 2, as ktutil writes it. @throws keytab.format for an entry
 * that no reader could read back
 */
export function formatKeytab(entries: readonly KeytabFields[]): Uint8Array {
  const records = entries.map(formatEntry);
  const parts = records.flatMap((record) => [uint32(record.length), record]);
  return concat(Uint8Array.of(magic, 2), ...parts);
}

function formatEntry(entry: KeytabFields): Uint8Array {
  const { principal, key, kvno } = entry;
  const names = [principal.realm, ...principal.components].map(nameBytes);
  const readable =
    names.length >= 2 &&
    names.length <= longestKeyBytes &&
    names.every((name) => name.length > 0 && name.length <= 0xffff) &&
    key.length > 0 &&
    key.length <= longestKeyBytes;
  if (!readable) {
    const reason = 'a name or key is empty or too long';
    throw new KpropError('keytab.format', { path: `an entry of ${principal}`, reason });
  }
  return concat(
    uint16(names.length - 1),
    ...names.flatMap((name) => [uint16(name.length), name]),
    uint32(principal.nameType),
    uint32(entry.timestampSeconds),
    Uint8Array.of(kvno),
    uint16(entry.enctype),
    ...[uint16(key.length), key],
    uint32(kvno),
  );
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}

const magic = 5;
const holeOfNoSize = -0x8000_0000;
// Version 1 files are in the byte order of the host that wrote them.
const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The entry, or undefined if it is malformed. */
function readEntry(
  reader: ByteReader,
  version: 1 | 2,
  recordBytes: number,
): KeytabEntry | undefined {
  const counted = (): Uint8Array => reader.bytes(reader.uint16());
  try {
    const componentCount = reader.int16() - (version === 1 ? 1 : 0);
    if (componentCount <= 0) return undefined;
    const [realm, ...components] = Array.from({ length: componentCount + 1 }, () =>
      nameText(counted()),
    );
    if (!realm || components.includes('')) return undefined;
    const nameType = version === 1 ? undefined : reader.int32();
    const timestampSeconds = reader.uint32();
    const kvno8 = reader.uint8();
    const enctype = reader.int16();
    const key = counted().slice();
    if (key.length === 0 || key.length > longestKeyBytes) return undefined;
    // MIT checks only this field against the record's length: those before it may overrun.
    const kvno32 = 4 + recordBytes - reader.offset >= 4 ? reader.uint32() : 0;
    const principal = Principal.of(realm, components, nameType);
    return new KeytabEntry({ principal, timestampSeconds, kvno: kvno32 || kvno8, enctype, key });
  } catch (error) {
    if (isKpropError(error, 'decode.truncated')) return undefined;
    throw error;
  }
}

const longestKeyBytes = 0x7fff;

/** MIT's order of keys: by kvno, but a small one that is not older than a large one has wrapped. */
function isMoreRecent(a: KeytabEntry, b: KeytabEntry): boolean {
  if (a.timestampSeconds >= b.timestampSeconds && a.kvno < 128 && b.kvno > 240) return true;
  if (a.timestampSeconds <= b.timestampSeconds && a.kvno > 240 && b.kvno < 128) return false;
  return a.kvno > b.kvno;
}

/** What a keytab name such as `FILE:/path` stands for. @throws keytab.unknown-type */
export function parseKeytabName(text: string): { type: 'FILE' | 'MEMORY'; path: string } {
  const colon = text.indexOf(':');
  // A single letter before the colon is a Windows drive, as in MIT's resolver.
  if (colon === -1 || text.startsWith('/') || /^[A-Za-z]:/.test(text)) {
    return { type: 'FILE', path: text };
  }
  const path = text.slice(colon + 1);
  switch (text.slice(0, colon)) {
    case 'FILE':
    case 'WRFILE':
      return { type: 'FILE', path };
    case 'MEMORY':
      return { type: 'MEMORY', path };
    default:
      throw new KpropError('keytab.unknown-type', { name: text });
  }
}

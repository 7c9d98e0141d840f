import { isKpropError } from '../../errors/kprop-error.ts';
import { ByteReader } from '../../protocol/bytes.ts';

/** A master key as a database holds it: encrypted. */
export interface SealedKey {
  readonly kvno: number;
  readonly enctype: number;
  /** The length of the key in 2 bytes, and its encryption, which is all. */
  readonly contents: Uint8Array;
}

/** The entry of the master key. */
export interface MasterEntry {
  /** The newest first. Each is encrypted in the newest. */
  readonly keys: readonly SealedKey[];
  /** The newest key once more for each older one that still counts, encrypted in that. */
  readonly auxiliary: readonly SealedKey[];
}

/**
 * The entry in a line of a dump, without its LF; undefined if it is not written as kdb5_util writes it.
 * @see krb5 src/kadmin/dbutil/dump.c
 */
export function entryOfLine(line: string): MasterEntry | undefined {
  const head = /^princ\t38\t(\d+)\t(\d+)\t(\d+)\t0\t/.exec(line);
  if (head === null) return undefined;
  const [before, nameBytes = '', ...counts] = head;
  // Behind the name, eight numbers of the principal come first.
  const fields = line.slice(before.length + Number(nameBytes) + 1).split('\t');
  const [typedCount = 0, keyCount = 0] = counts.map(Number);
  if (typedCount + keyCount > fields.length) return undefined;
  let at = 8;
  let sound = true;
  const number = () => {
    const text = fields[at++] ?? '';
    sound &&= /^-?\d+$/.test(text);
    return Number(text);
  };
  const value = () => {
    const [type, length, hex = ''] = [number(), number(), fields[at++]];
    sound &&= length === 0 ? hex === '-1' : /^[0-9a-f]+$/i.test(hex) && hex.length === 2 * length;
    return { type, contents: new Uint8Array(length === 0 ? [] : Buffer.from(hex, 'hex')) };
  };
  const typed = Array.from({ length: typedCount }, () => value());
  const keys = Array.from({ length: keyCount }, () => {
    const [parts, kvno] = [number(), number()];
    return { kvno, parts: Array.from({ length: Math.min(parts, 2) }, () => value()) };
  });
  return sound ? entryOf(typed, keys) : undefined;
}

/** The entry in a record of a db2 database, by its data. @see krb5 src/plugins/kdb/db2/kdb_xdr.c */
export function entryOfRecord(data: Uint8Array): MasterEntry | undefined {
  const reader = new ByteReader(data, 'principal', true);
  const value = () => {
    const type = reader.int16();
    return { type, contents: reader.bytes(reader.uint16()) };
  };
  try {
    reader.bytes(34);
    const [typedCount, keyCount, nameBytes] = [reader.uint16(), reader.uint16(), reader.uint16()];
    reader.bytes(nameBytes);
    const typed = Array.from({ length: typedCount }, () => value());
    const keys = Array.from({ length: keyCount }, () => {
      const [parts, kvno] = [reader.uint16(), reader.uint16()];
      return { kvno, parts: Array.from({ length: parts }, () => value()) };
    });
    return entryOf(typed, keys);
  } catch (error) {
    if (isKpropError(error, 'decode.truncated')) return undefined;
    throw error;
  }
}

interface Value {
  readonly type: number;
  readonly contents: Uint8Array;
}

function entryOf(
  typed: readonly Value[],
  keys: readonly { readonly kvno: number; readonly parts: readonly Value[] }[],
): MasterEntry | undefined {
  const sealed = keys.flatMap(({ kvno, parts: [key] }) =>
    key === undefined ? [] : [{ kvno, enctype: key.type, contents: key.contents }],
  );
  const list = typed.find(({ type }) => type === auxiliaryKeys);
  const auxiliary = list === undefined ? [] : auxiliaryOf(list.contents);
  if (sealed.length === 0 || auxiliary === undefined) return undefined;
  return { keys: sealed.sort((a, b) => b.kvno - a.kvno), auxiliary };
}

/** @see krb5 src/lib/kdb/kdb5.c, krb5_dbe_lookup_mkey_aux */
function auxiliaryOf(bytes: Uint8Array): readonly SealedKey[] | undefined {
  const reader = new ByteReader(bytes, 'auxiliary master keys', true);
  const found: SealedKey[] = [];
  try {
    if (reader.uint16() !== 1) return undefined;
    while (reader.remaining > 0) {
      // The version of the key in which it is encrypted.
      reader.uint16();
      const [kvno, enctype] = [reader.uint16(), reader.int16()];
      found.push({ kvno, enctype, contents: reader.bytes(reader.uint16()) });
    }
    return found;
  } catch (error) {
    if (isKpropError(error, 'decode.truncated')) return undefined;
    throw error;
  }
}

/** KRB5_TL_MKEY_AUX */
const auxiliaryKeys = 10;

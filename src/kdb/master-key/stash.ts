import { endianness } from 'node:os';

import { errnoText } from '../../errors/com-err.ts';
import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { readLockedFile } from '../../host/locked-file.ts';
import { ByteReader } from '../../protocol/bytes.ts';
import { Key } from '../../protocol/krb5/crypto/key.ts';
import { Keytab, parseKeytab } from '../../protocol/krb5/formats/keytab.ts';
import { Principal } from '../../protocol/krb5/messages/principal.ts';

/** The master key that a stash file gives to krb5kdc. */
export interface StashedKey {
  readonly path: string;
  /** Unknown for the old format, which has no place for it. */
  readonly kvno: number | undefined;
  readonly enctype: number;
  /** undefined: its encryption type is not known here. */
  readonly key: Key | undefined;
}

/** What lies where krb5kdc looks for its stash file. `reason`: a few words, without any key. */
export type Stash =
  | { readonly is: 'absent' }
  | { readonly is: 'unusable'; readonly reason: string }
  | { readonly is: 'key'; readonly stashed: StashedKey };

/**
 * What a stash file holds for the master key of this name, such as `K/M@REALM`. Of several keys it is
 * the one that krb5kdc takes: the newest. Both formats: a keytab, and the one before krb5 1.7.
 * @see krb5 src/lib/kdb/kdb_default.c, krb5_db_def_fetch_mkey
 */
export function readStash(path: string, masterKeyName: string): Stash {
  try {
    const bytes = readLockedFile(path, 'keytab.missing');
    const stashed =
      bytes[0] === keytabMagic && (bytes[1] === 1 || bytes[1] === 2)
        ? keyOfKeytab(bytes, path, masterKeyName)
        : keyOfOldStash(bytes, path);
    return { is: 'key', stashed };
  } catch (error) {
    if (!(error instanceof KpropError)) throw error;
    if (!isKpropError(error, 'keytab.missing')) return { is: 'unusable', reason: reasonOf(error) };
    const { errno } = error.detail;
    if (errno === 'ENOENT') return { is: 'absent' };
    return { is: 'unusable', reason: `it cannot be read: ${errnoText(errno)}` };
  }
}

/** @throws keytab.no-key, keytab.format, crypto.bad-key-size */
function keyOfKeytab(bytes: Uint8Array, path: string, masterKeyName: string): StashedKey {
  const keytab = new Keytab(path, parseKeytab(bytes, path));
  const { kvno, enctype, key } = keytab.newestOf(Principal.parse(masterKeyName));
  return { path, kvno, enctype, key: keyOf(enctype, key) };
}

/**
 * Enctype in 2 bytes, length of the key in 4, the key; in the byte order of the host.
 * @throws decode.truncated, crypto.bad-key-size
 */
function keyOfOldStash(bytes: Uint8Array, path: string): StashedKey {
  const reader = new ByteReader(bytes, 'stash', endianness() === 'LE');
  const enctype = reader.int16();
  const key = reader.bytes(reader.uint32());
  return { path, kvno: undefined, enctype, key: keyOf(enctype, key) };
}

/** @throws crypto.bad-key-size */
function keyOf(enctype: number, bytes: Uint8Array): Key | undefined {
  try {
    return Key.of(enctype, bytes);
  } catch (error) {
    if (isKpropError(error, 'crypto.unsupported-enctype')) return undefined;
    throw error;
  }
}

function reasonOf(error: KpropError): string {
  return isKpropError(error, 'keytab.no-key')
    ? `it is a keytab without a key of ${error.detail.principal}`
    : 'it is no stash file, or a damaged one';
}

const keytabMagic = 5;

import { isKpropError } from '../../errors/kprop-error.ts';
import { decrypt } from '../../protocol/krb5/crypto/encrypt.ts';
import { Key } from '../../protocol/krb5/crypto/key.ts';
import type { MasterEntry, SealedKey } from './master-entry.ts';
import type { StashedKey } from './stash.ts';

/**
 * Whether krb5kdc could start with this key and a database that has this entry: the key opens the
 * newest master key, itself or by way of the auxiliary ones, and that opens all others. undefined: an
 * encryption type is not known here. @see krb5 src/lib/kdb/kdb_default.c, krb5_def_fetch_mkey_list
 */
export function opensMasterKey({ key, enctype }: StashedKey, entry: MasterEntry) {
  if (key === undefined) return undefined;
  try {
    const newest = newestKey(key, enctype, entry);
    return newest !== undefined && entry.keys.every((sealed) => open(newest, sealed) !== undefined);
  } catch (error) {
    if (isKpropError(error, 'crypto.unsupported-enctype')) return undefined;
    throw error;
  }
}

function newestKey(key: Key, enctype: number, { keys, auxiliary }: MasterEntry): Key | undefined {
  const [newest] = keys;
  const direct = newest?.enctype === enctype ? open(key, newest) : undefined;
  if (direct !== undefined) return direct;
  for (const sealed of auxiliary) {
    const opened = open(key, sealed);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

/** The key that was encrypted in another; undefined if it was not in that. @throws crypto.unsupported-enctype */
function open(key: Key, { enctype, contents }: SealedKey): Key | undefined {
  if (contents.length < 2) return undefined;
  const [low = 0, high = 0] = contents;
  try {
    const plain = decrypt(key, usage, contents.subarray(2));
    return Key.of(enctype, plain.subarray(0, low + 256 * high));
  } catch (error) {
    if (isKpropError(error, 'crypto.integrity') || isKpropError(error, 'crypto.bad-key-size')) {
      return undefined;
    }
    throw error;
  }
}

/** Of all keys in a database. @see krb5 src/lib/kdb/decrypt_key.c */
const usage = 0;

import { KpropError } from '../protocol/errors.ts';
import { Keytab, parseKeytab, parseKeytabName } from '../protocol/formats/keytab.ts';
import { errnoOf, readLockedFile } from './locked-file.ts';

/**
 * The keytab of a name such as `FILE:/etc/krb5.keytab` or `/etc/krb5.keytab`. One in memory belongs
 * to a process and is empty in ours.
 * @throws keytab.unknown-type, keytab.missing, keytab.format
 */
export function readKeytab(name: string): Keytab {
  const { type, path } = parseKeytabName(name);
  const fullName = `${type}:${path}`;
  return new Keytab(fullName, type === 'FILE' ? parseKeytab(readBytes(path), path) : []);
}

function readBytes(path: string): Uint8Array {
  try {
    return readLockedFile(path);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw new KpropError('keytab.missing', { path, errno }, { cause });
  }
}

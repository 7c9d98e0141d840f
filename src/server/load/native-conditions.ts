import { lstat, readFile } from 'node:fs/promises';
import { endianness } from 'node:os';

export interface NativePlace {
  /** `db2`, `klmdb` or `kldap`. */
  readonly library: string;
  /** The path of the live principals, if it is known. */
  readonly database: string | undefined;
}

/** Why this replica's database cannot be written without kdb5_util; undefined if it can. */
export async function reasonAgainstNative(o: NativePlace): Promise<string | undefined> {
  if (o.library !== 'db2') return `the realm's database library is ${o.library}`;
  if (o.database === undefined) {
    return 'the place of the database is not known: name it with -F, or with database_name in kdc.conf';
  }
  if (endianness() !== 'LE') return 'this host is big-endian';
  if (await isLink(o.database)) return `${o.database} is a symbolic link`;
  // The new files would have the label of their folder, which a confined krb5kdc may not write to.
  const enforcing = await readFile('/sys/fs/selinux/enforce', 'latin1').catch(() => '');
  return enforcing.trim() === '1' ? 'SELinux is enforcing' : undefined;
}

/** A rename would replace the link, and leave what it leads to. */
async function isLink(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isSymbolicLink() ?? false;
}

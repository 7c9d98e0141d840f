import { Keytab, parseKeytab, parseKeytabName } from '../protocol/formats/keytab.ts';
import type { Krb5Config } from '../protocol/formats/krb5-config.ts';
import { expandTokens } from '../protocol/formats/values.ts';
import { readLockedFile } from './locked-file.ts';
import { pathTokens } from './path-tokens.ts';

/**
 * The keytab of a name such as `FILE:/etc/krb5.keytab` or `/etc/krb5.keytab`. One in memory belongs
 * to a process and is empty in ours.
 * @throws keytab.unknown-type, keytab.missing, keytab.format
 */
export function readKeytab(name: string): Keytab {
  const { type, path } = parseKeytabName(name);
  const fullName = `${type}:${path}`;
  return new Keytab(
    fullName,
    type === 'FILE' ? parseKeytab(readLockedFile(path, 'keytab.missing'), path) : [],
  );
}

/** The keytab that MIT's programs would use, less the environment. @see krb5 ktdefname.c */
export function defaultKeytabName(config: Krb5Config): string {
  const configured = config.defaultKeytabName;
  return configured === undefined
    ? 'FILE:/etc/krb5.keytab'
    : expandTokens(configured, pathTokens(), 'default_keytab_name');
}

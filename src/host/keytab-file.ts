import { type BigIntStats, statSync } from 'node:fs';

import { Keytab, parseKeytab, parseKeytabName } from '../protocol/krb5/formats/keytab.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { expandTokens } from '../protocol/krb5/formats/values.ts';
import { readLockedFile } from './locked-file.ts';
import { pathTokens } from './path-tokens.ts';

/**
 * The keytab of a name such as `FILE:/etc/krb5.keytab` or `/etc/krb5.keytab`. A MEMORY
 * keytab belongs to the process that made it, so it is empty here.
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

/** A file this young may be written again within the same timestamp, which its stat would not show. */
const settledMillis = 2_000;

/**
 * Gives the keytab of a name, which it reads again only if the file has changed: an added key counts
 * at once. @throws as readKeytab
 */
export function keytabReader(nameOf: () => string): () => Keytab {
  let known: { readonly keytab: Keytab; readonly stat: BigIntStats } | undefined;
  return () => {
    const name = nameOf();
    const stat = statOf(parseKeytabName(name).path);
    if (known !== undefined && stat !== undefined && isUnchanged(known.stat, stat)) {
      return known.keytab;
    }
    known = undefined;
    const keytab = readKeytab(name);
    const settled = stat !== undefined && Number(stat.ctimeMs) < Date.now() - settledMillis;
    if (settled) known = { keytab, stat };
    return keytab;
  };
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    // readKeytab reports what is wrong.
    return undefined;
  }
}

function isUnchanged(before: BigIntStats, now: BigIntStats): boolean {
  const { dev, ino, size, mtimeNs, ctimeNs } = before;
  return (
    dev === now.dev &&
    ino === now.ino &&
    size === now.size &&
    mtimeNs === now.mtimeNs &&
    ctimeNs === now.ctimeNs
  );
}

/** The keytab that MIT's programs would use, apart from KRB5_KTNAME. @see krb5 ktdefname.c */
export function defaultKeytabName(config: Krb5Config): string {
  const configured = config.defaultKeytabName;
  return configured === undefined
    ? 'FILE:/etc/krb5.keytab'
    : expandTokens(configured, pathTokens(), 'default_keytab_name');
}

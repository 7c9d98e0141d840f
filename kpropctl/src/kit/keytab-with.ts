import { formatKeytab, type KeytabEntry, parseKeytab } from 'kprop';

import { badKit } from './refused.ts';

/**
 * A keytab and the keys of a kit in one. It has the same keys already, or only some are added, or it
 * differs: another key of the same version, which the one of the kit replaces.
 * @throws keytab.format
 */
export function keytabWith(
  old: Uint8Array,
  fresh: Uint8Array,
  path: string,
): { readonly content: Uint8Array; readonly isSame: boolean; readonly adds: boolean } {
  const kept = old.length === 0 ? [] : parseKeytab(old, path);
  const added = parseKeytab(fresh, 'krb5.keytab');
  const missing = added.filter(
    (entry) => !kept.some((one) => isSameSlot(one, entry) && hasKey(one, entry)),
  );
  const wrong = kept.filter((one) =>
    added.some((entry) => isSameSlot(one, entry) && !hasKey(one, entry)),
  );
  const content = formatKeytab([...kept.filter((one) => !wrong.includes(one)), ...missing]);
  return { content, isSame: missing.length === 0, adds: wrong.length === 0 };
}

/** Keys of this host's principal, and of nobody else. @throws Refused */
export function requireOwnKeys(keytab: Uint8Array, principal: string): number {
  let entries: readonly KeytabEntry[];
  try {
    entries = parseKeytab(keytab, 'krb5.keytab');
  } catch {
    throw badKit('krb5.keytab of the kit is no keytab');
  }
  const other = entries.find((entry) => `${entry.principal}` !== principal);
  if (other !== undefined) {
    throw badKit(`the kit for ${principal} has a key of ${JSON.stringify(`${other.principal}`)}`);
  }
  if (entries.length === 0) throw badKit(`the kit has no key of ${principal}`);
  return entries.length;
}

function isSameSlot(a: KeytabEntry, b: KeytabEntry): boolean {
  return a.principal.equals(b.principal) && a.kvno === b.kvno && a.enctype === b.enctype;
}

function hasKey(a: KeytabEntry, b: KeytabEntry): boolean {
  return Buffer.compare(a.key, b.key) === 0;
}

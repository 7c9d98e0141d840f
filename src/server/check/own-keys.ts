import { statSync } from 'node:fs';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { readKeytab } from '../../host/keytab-file.ts';
import type { Keytab, KeytabEntry } from '../../protocol/krb5/formats/keytab.ts';
import type { Principal } from '../../protocol/krb5/messages/principal.ts';
import type { CheckedSite } from './checked-site.ts';

/** What the keytab of a replica holds. */
export interface OwnKeys {
  readonly keytab: Keytab;
  /** Those that a primary's ticket may be for. */
  readonly usable: readonly KeytabEntry[];
  /** The hosts of all its keys of the service host in this realm. */
  readonly hosts: readonly string[];
  /** Other realms of its keys of the service host. */
  readonly otherRealms: readonly string[];
}

/** @throws keytab.* */
export function readOwnKeys({ keytabName, keytab: path, ...site }: CheckedSite): OwnKeys {
  if (path !== '') requireFile(path);
  const keytab = readKeytab(keytabName);
  const hostKeys = keytab.entries.filter(({ principal }) => principal.components[0] === 'host');
  const inRealm = hostKeys.filter(({ principal }) => principal.realm === site.realm);
  const isOwn = (principal: Principal) => site.services.some((each) => each.equals(principal));
  return {
    keytab,
    usable: site.config.ignoreAcceptorHostname
      ? inRealm
      : inRealm.filter(({ principal }) => isOwn(principal)),
    hosts: [...new Set(inRealm.map(({ principal }) => principal.components[1] ?? ''))],
    otherRealms: [...new Set(hostKeys.map(({ principal }) => principal.realm))].filter(
      (realm) => realm !== site.realm,
    ),
  };
}

/** The encryption types that tickets for this host can have; undefined if the keytab says nothing. */
export function ticketEnctypes(site: CheckedSite): readonly number[] | undefined {
  try {
    const { usable } = readOwnKeys(site);
    return usable.length === 0 ? undefined : [...new Set(usable.map(({ enctype }) => enctype))];
  } catch {
    return undefined; // the check of the keytab says why
  }
}

/** Opening a FIFO would never end. */
function requireFile(path: string): void {
  let errno = 'EINVAL';
  try {
    if (statSync(path).isFile()) return;
  } catch (error) {
    errno = errnoOf(error);
  }
  throw new KpropError('keytab.missing', { path, errno });
}

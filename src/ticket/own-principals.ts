import { canonicalNames, localHostName } from '../host/names.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';

/**
 * SERVICE/<this host>, for each name that this host may have in the realm, preferred ones first.
 * @see MIT krb5, sn2princ.c
 */
export async function ownPrincipals(
  service: string,
  realm: string,
  config: Krb5Config,
): Promise<readonly [Principal, ...Principal[]]> {
  const names = await canonicalNames(localHostName(), config);
  return names.map((name) => Principal.of(realm, [service, name], nameTypes.srvHst)) as [
    Principal,
    ...Principal[],
  ];
}

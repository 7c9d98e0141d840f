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

/**
 * The names that kprop may use for a host, in the order in which it tries them: SERVICE/host, as text,
 * by the rules of krb5.conf and with the resolver's answers where those count. This host unless given.
 * @see MIT krb5, sn2princ.c
 */
export async function servicePrincipals(o: {
  readonly config: Krb5Config;
  readonly realm?: string | undefined;
  readonly host?: string | undefined;
  /** `host` unless given. */
  readonly service?: string | undefined;
}): Promise<readonly string[]> {
  const { config, realm = config.defaultRealm, host = localHostName(), service = 'host' } = o;
  const names = await canonicalNames(host, config);
  return names.map((name) => `${Principal.of(realm, [service, name], nameTypes.srvHst)}`);
}

import { type Krb5Config, servicePrincipals } from 'kprop';

import { isSameHost } from './same-host.ts';

/** The principal of which kprop asks a ticket for this replica. */
export async function principalOf(
  host: string,
  { krb5, realm }: { readonly krb5: Krb5Config; readonly realm: string },
): Promise<string> {
  if (krb5.canonicalizeHostname === 'fallback') return `host/${host}@${realm}`;
  const [principal = ''] = await servicePrincipals({ config: krb5, realm, host });
  return principal;
}

/**
 * The other replica to which the name of this one leads, by a stale address: it would get the database
 * twice, and prove it twice, and this one nothing.
 */
export function otherReplica(
  host: string,
  principal: string,
  hosts: readonly string[],
): string | undefined {
  const name = principal.replace(/^host\/|@.*$/g, '');
  if (isSameHost(name, withoutDot(host))) return undefined;
  return hosts.find((each) => each !== host && isSameHost(name, withoutDot(each)));
}

const withoutDot = (host: string) => host.toLowerCase().replace(/\.$/, '');

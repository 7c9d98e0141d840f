import type { ReplicaSettings } from '../config/settings.ts';
import { otherReplica, principalOf } from '../run/other-replica.ts';
import { isSameHost } from '../run/same-host.ts';
import { addressText, namedAddresses } from './addresses.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok, warning } from './finding.ts';
import { rulesText, setRelation, usesDns } from './own-name-check.ts';

/** The name of a replica both ways, and the principal that kprop makes of it. */
export async function nameCheck(
  { host }: ReplicaSettings,
  { krb5, settings }: Examined,
): Promise<readonly Finding[]> {
  const { realm } = settings;
  let text: string;
  try {
    text = (await namedAddresses(host)).map((one) => addressText(one)).join('; ');
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const fix = `correct the name in ${settings.file ?? 'the command'}, or publish its address in DNS: getent hosts ${host} asks for it`;
    return [failure(host, 'name', `name: ${host} does not resolve (${code})`, fix)];
  }
  const principal = await principalOf(host, { krb5, realm });
  const other = otherReplica(host, principal, settings.hosts);
  if (other !== undefined) {
    const what = `name: ${text}: that is ${other}, another replica: ${host} gets nothing`;
    const fix = `correct the address of ${host}: getent hosts ${host} shows it`;
    return [failure(host, 'name', what, fix)];
  }
  const name = principal.replace(/^host\/|@.*$/g, '');
  const typed = host.toLowerCase().replace(/\.$/, '');
  if (!usesDns(krb5) || isSameHost(name, typed) || /^[\d.]+$|:/.test(host)) {
    return [ok(host, 'name', `name: ${text}`)];
  }
  const what = `name: ${text}: kprop asks for a ticket for ${principal}, by ${rulesText(krb5)}`;
  const relation = krb5.rdns ? 'rdns' : 'dns_canonicalize_hostname';
  return [warning(host, 'name', what, setRelation(krb5, relation, 'false'))];
}

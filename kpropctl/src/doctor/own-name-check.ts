import { hostname } from 'node:os';

import { isKpropError, type Krb5Config, serviceKeyAt, servicePrincipals } from 'kprop';

import { addressText, namedAddresses } from './addresses.ts';
import { type Examined, keytabOf } from './examined.ts';
import { type Finding, failure, ok } from './finding.ts';
import { addRelation, writeLine } from './fix.ts';

/** What this host is called, both ways, and whether the keytab knows that name. */
export async function ownNameCheck(o: Examined): Promise<readonly Finding[]> {
  const { krb5, settings } = o;
  const { realm } = settings;
  const here = hostname();
  const [names, addresses] = await Promise.all([
    servicePrincipals({ config: krb5, realm }),
    namedAddresses(here).catch(() => undefined),
  ]);
  const places =
    addresses === undefined
      ? 'which does not resolve'
      : addresses.map((one) => addressText(one)).join('; ');
  const what = `name: ${here} (hostname), ${places}; ${names.join(' or ')} by ${rulesText(krb5)}`;
  const plain = `host/${here.toLowerCase().replace(/\.$/, '')}@${realm}`;
  if (names.includes(plain) || !(await onlyPlainIsKnown(o, names, plain))) {
    return [ok('here', 'name', what)];
  }
  const wrong = `kprop takes this host for ${names.join(' or ')}, by ${rulesText(krb5)}; ${keytabOf(o).path} has ${plain}`;
  return [failure('here', 'name', wrong, setRelation(krb5, 'dns_canonicalize_hostname', 'false'))];
}

/** Whether the keytab has the name of this host, and not the one that the resolver makes of it. */
async function onlyPlainIsKnown(
  o: Examined,
  names: readonly string[],
  plain: string,
): Promise<boolean> {
  const [kdc] = o.krb5.kdcs(o.settings.realm);
  if (kdc === undefined) return false;
  const known = async (client: string) => {
    const keytab = keytabOf(o).name;
    const asked = { kdc, service: plain, client, keytab, serviceKeytab: keytab, config: o.krb5 };
    return serviceKeyAt(asked).then(
      () => true,
      (error: unknown) => !isKpropError(error, 'keytab.no-key'),
    );
  };
  const all = await Promise.all([plain, ...names].map(known));
  return all[0] === true && all.slice(1).every((one) => !one);
}

/** The relations of krb5.conf by which a name is made, with their places. */
export function rulesText(krb5: Krb5Config): string {
  const relations = ['dns_canonicalize_hostname', ...(usesDns(krb5) ? ['rdns'] : [])];
  return relations
    .map((name) => {
      const [found] = krb5.relations('libdefaults', name);
      return found === undefined
        ? `${name} = true (default)`
        : `${name} = ${found.value} (${found.file}:${found.line})`;
    })
    .join(', ');
}

export const usesDns = (krb5: Krb5Config) => krb5.canonicalizeHostname !== 'false';

/** Sets a relation of [libdefaults] where it stands, else in the first file. */
export function setRelation(krb5: Krb5Config, name: string, value: string): string {
  const [found] = krb5.relations('libdefaults', name);
  if (found !== undefined) return writeLine(found, `    ${name} = ${value}`);
  return addRelation(
    krb5.files.at(-1) ?? '/etc/krb5.conf',
    'libdefaults',
    `    ${name} = ${value}`,
  );
}

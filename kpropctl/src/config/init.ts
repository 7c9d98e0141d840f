import { hostname } from 'node:os';

import type { Krb5Config } from 'kprop';

import { isSameHost } from '../run/same-host.ts';
import { globalRelations, type Relation, replicaRelations } from './relations.ts';

/** A commented configuration, from what krb5.conf knows: the realm's other KDCs are the replicas. */
export function initialConfig(krb5: Krb5Config): string {
  const realm = krb5.defaultRealm;
  const here = hostname().toLowerCase();
  const hosts = krb5
    .values('realms', realm, 'kdc')
    .map((kdc) => /^\[([^\]]+)\]/.exec(kdc)?.[1] ?? kdc.replace(/:\d+$/, ''));
  const replicas = [...new Set(hosts)].filter((host) => !isSameHost(host.toLowerCase(), here));
  const lines = Object.entries(globalRelations).map(([name, relation]) => {
    const given = name === 'realm' ? realm : name === 'primary' ? here : undefined;
    return lineOf(name, relation, given);
  });
  const sections = replicas.map((host) => `    ${host} = { }\n`);
  const example = Object.entries(replicaRelations)
    .map(
      ([name, { byDefault, about }]) => `    #     ${name} = ${byDefault ?? '…'}    (${about})\n`,
    )
    .join('');
  return `# The configuration of kpropctl. What stands behind a # is the default, or an example.
[kpropctl]
${lines.join('')}
[replicas]
${sections.length > 0 ? sections.join('') : '    # kdc2.example.org = { }\n'}    #
    # kdc3.example.org = {
${example}    # }
`;
}

/** The syntax of krb5.conf has no comments behind a value. */
function lineOf(name: string, { byDefault, about }: Relation, given: string | undefined): string {
  const value = given ?? byDefault ?? '…';
  return `\n    # ${about}\n    ${given === undefined ? '#' : ''}${name} = ${value}\n`;
}

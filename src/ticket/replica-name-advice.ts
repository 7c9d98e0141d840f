import { type Advice, kadmin } from '../errors/advice.ts';
import { type HostsLine, hostsLines, lineOfName, lineWithFirst } from '../host/hosts-file.ts';
import { nameOrigin } from '../host/name-origin.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';

export interface ReplicaName {
  /** The replica as it was typed. */
  readonly host: string;
  /** What was made of it, which the KDC does not know. */
  readonly server: Principal;
  /** Our own principal: the replica is likely to be in the same domain. */
  readonly client: Principal;
  readonly config: Krb5Config;
  /** Whether the KDC has a principal. */
  readonly isKnown: (server: Principal) => Promise<boolean>;
  readonly lines?: readonly HostsLine[] | undefined;
}

/** What to do about a replica that the KDC does not know: it is asked for the names that may be meant. */
export async function replicaNameAdvice(o: ReplicaName): Promise<Advice> {
  const { host, server, config } = o;
  const lines = o.lines ?? hostsLines();
  const [, name = ''] = server.components;
  const { from, line } = nameOrigin(host, name, config, lines);
  const made = host.toLowerCase() === name ? 'the name as typed' : `made of ${host}`;
  const why = `the KDC has no ${server} (${made}, ${from})`;
  const right = await firstKnown(candidates(o, lines), o);
  if (right !== undefined && line !== undefined) {
    return {
      why,
      remedy: `write \`${lineWithFirst(right, line)}\` as line ${line.line} of ${line.file}`,
    };
  }
  if (right !== undefined) return { why, remedy: `give kprop the name \`${right}\`` };
  return {
    why,
    remedy: `if the name is right, run ${kadmin(`addprinc -randkey ${server}`)}, then on the replica ${kadmin(`ktadd ${server}`)}`,
  };
}

/** Other names that the replica may have: of its line in /etc/hosts, and with our own domain. */
function candidates(
  { host, server, client }: ReplicaName,
  lines: readonly HostsLine[],
): readonly string[] {
  const [, name = ''] = server.components;
  const line = lineOfName(host, lines) ?? lines.find(({ address }) => address === host);
  const [, own = ''] = client.components;
  const domain = own.includes('.') ? own.slice(own.indexOf('.')) : '';
  const completed = domain === '' || host.includes('.') ? [] : [`${host}${domain}`];
  const names = [...(line?.names ?? []), ...completed, host].map((one) => one.toLowerCase());
  // Nobody means the short form of a full name.
  const plausible = (one: string) => one !== name && (one.includes('.') || !name.includes('.'));
  return [...new Set(names)].filter(plausible).slice(0, 4);
}

async function firstKnown(
  names: readonly string[],
  { server, isKnown }: ReplicaName,
): Promise<string | undefined> {
  for (const name of names) {
    if (await isKnown(Principal.of(server.realm, ['host', name], nameTypes.srvHst))) return name;
  }
  return undefined;
}

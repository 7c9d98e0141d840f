import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { type HostsLine, hostsLines, lineOfName } from './hosts-file.ts';
import { searchDomain } from './resolv-conf.ts';

/** Where the name in a principal comes from. */
export interface NameOrigin {
  /** In words: "from /etc/hosts line 3", or why the name stayed as it was. */
  readonly from: string;
  /** The line that decides it, if /etc/hosts does. */
  readonly line?: HostsLine | undefined;
}

/** How canonicalNames came from `host` to `name`, as far as files tell: DNS is not asked again. */
export function nameOrigin(
  host: string,
  name: string,
  config: Pick<Krb5Config, 'canonicalizeHostname' | 'rdns'>,
  lines: readonly HostsLine[] = hostsLines(),
): NameOrigin {
  const unchanged = host.toLowerCase().replace(/\.$/, '') === name;
  if (config.canonicalizeHostname === 'false') {
    return { from: unchanged ? 'dns_canonicalize_hostname = false' : completed(name) };
  }
  const isCanonical = (line: HostsLine) => line.names[0]?.toLowerCase() === name;
  const forward = lineOfName(host, lines);
  if (forward !== undefined && isCanonical(forward)) return fromLine(forward);
  const reverse = lines.find((line) => line.address === (forward?.address ?? host));
  if (config.rdns && reverse !== undefined && isCanonical(reverse)) return fromLine(reverse);
  if (unchanged) return { from: 'no other name was found' };
  const domain = searchDomain();
  if (domain !== undefined && name === `${host}.${domain}`.toLowerCase())
    return { from: completed(name) };
  return { from: config.rdns ? 'from DNS (rdns)' : 'from DNS' };
}

function fromLine(line: HostsLine): NameOrigin {
  return { from: `from ${line.file} line ${line.line}`, line };
}

const completed = (name: string) =>
  `completed with ${name.slice(name.indexOf('.') + 1)} of /etc/resolv.conf`;

import { networkInterfaces } from 'node:os';

import { type HostsLine, hostsLines } from '../../host/hosts-file.ts';
import { localHostName } from '../../host/names.ts';
import type { CheckedSite } from './checked-site.ts';

/** The name that this host goes by in principals, and where it came from. */
export interface OwnName {
  readonly name: string;
  /** In words. */
  readonly from: string;
  /** The line or command that makes it another name, and the one by which kpropd hears of it. */
  fixFor(wanted: string, restart: string): string;
}

export function ownName({ config, services }: CheckedSite): OwnName {
  const name = services[0].components[1] ?? '';
  const kernelName = localHostName();
  const lines = config.canonicalizeHostname === 'false' ? [] : hostsLines();
  const line = lines.find(({ names }) => names.some((each) => isSame(each, kernelName)));
  const reverse = config.rdns && line && lines.find(({ address }) => address === line.address);
  const fixFor = (wanted: string, restart: string) =>
    line === undefined
      ? `hostnamectl set-hostname ${wanted} && ${restart}`
      : `${hostsFix(line, reverse, wanted)}, then ${restart}`;
  const first = (reverse || line)?.names[0];
  const source = reverse || line;
  if (source !== undefined && first !== undefined && isSame(first, name)) {
    return { name, from: `line ${source.line} of ${source.file}`, fixFor };
  }
  if (isSame(kernelName, name)) return { name, from: 'the hostname of this host', fixFor };
  const qualified = name.startsWith(`${kernelName.toLowerCase()}.`);
  const from =
    config.canonicalizeHostname !== 'false'
      ? `DNS, asked for ${kernelName}`
      : qualified
        ? `the hostname ${kernelName}, completed by krb5.conf or resolv.conf`
        : `the hostname ${kernelName}`;
  return { name, from, fixFor };
}

/** The name that its address leads back to is the first one of the first line with this address. */
function hostsFix(line: HostsLine, reverse: HostsLine | undefined | false, wanted: string): string {
  const shared = reverse !== false && reverse !== undefined && reverse.line !== line.line;
  const address = shared ? ownAddress() : line.address;
  const others = line.names.filter((each) => !isSame(each, wanted));
  return `write line ${line.line} of ${line.file} as: ${[address, wanted, ...others].join(' ')}`;
}

/** An address of this host that is not loopback's; else the one that Debian gives the host's own name. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.1.1';
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase().replace(/\.$/, '') === b.toLowerCase().replace(/\.$/, '');
}

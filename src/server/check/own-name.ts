import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

import { localHostName } from '../../host/names.ts';
import type { CheckedSite } from './checked-site.ts';

const hostsFile = '/etc/hosts';

interface HostsLine {
  readonly number: number;
  readonly address: string;
  readonly names: readonly string[];
}

/** The name that this host goes by in principals, and where it came from. */
export interface OwnName {
  readonly name: string;
  /** In words. */
  readonly from: string;
  /** The line or command that makes it another name. */
  fixFor(wanted: string): string;
}

export function ownName({ config, services }: CheckedSite): OwnName {
  const name = services[0].components[1] ?? '';
  const kernelName = localHostName();
  const lines = config.canonicalizeHostname === 'false' ? [] : hostsLines();
  const line = lines.find(({ names }) => names.some((each) => isSame(each, kernelName)));
  const reverse = config.rdns && line && lines.find(({ address }) => address === line.address);
  const fixFor = (wanted: string) =>
    line === undefined ? `hostnamectl set-hostname ${wanted}` : hostsFix(line, reverse, wanted);
  const first = (reverse || line)?.names[0];
  const source = reverse || line;
  if (source !== undefined && first !== undefined && isSame(first, name)) {
    return { name, from: `line ${source.number} of ${hostsFile}`, fixFor };
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
  const shared = reverse !== false && reverse !== undefined && reverse.number !== line.number;
  const address = shared ? ownAddress() : line.address;
  const others = line.names.filter((each) => !isSame(each, wanted));
  return `write line ${line.number} of ${hostsFile} as: ${[address, wanted, ...others].join(' ')}`;
}

/** An address of this host that is not loopback's; else the one that Debian gives the host's own name. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.1.1';
}

function hostsLines(): readonly HostsLine[] {
  let text = '';
  try {
    text = readFileSync(hostsFile, 'latin1');
  } catch {
    // Then names come from DNS alone.
  }
  return text.split('\n').flatMap((line, index) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return names.length === 0 ? [] : [{ number: index + 1, address, names }];
  });
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase().replace(/\.$/, '') === b.toLowerCase().replace(/\.$/, '');
}

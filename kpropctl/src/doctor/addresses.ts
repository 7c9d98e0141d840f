import { getServers } from 'node:dns';
import { lookup, lookupService } from 'node:dns/promises';

import { type HostsLine, hostsLines } from 'kprop';

/** An address of a host, the name that it leads back to, and who says so. */
export interface NamedAddress {
  readonly address: string;
  readonly from: string;
  readonly back: string | undefined;
  readonly backFrom: string;
}

/** The addresses of a host in the resolver's order. @throws the resolver's error */
export async function namedAddresses(host: string): Promise<readonly NamedAddress[]> {
  const addresses = await lookup(host, { all: true, order: 'verbatim' });
  const hosts = hostsLines();
  return Promise.all(
    addresses.map(async ({ address }) => {
      const found = await lookupService(address, 0).catch(() => undefined);
      const back = found?.hostname === address ? undefined : found?.hostname;
      return {
        address,
        from: address === host ? 'as given' : sourceOf(hosts, address, host),
        back,
        backFrom: back === undefined ? '' : sourceOf(hosts, address, back),
      };
    }),
  );
}

/** 127.0.0.11 (/etc/hosts:3), back to kdc2.example.org (/etc/hosts:3) */
export function addressText({ address, from, back, backFrom }: NamedAddress): string {
  const whence = from === 'as given' ? address : `${address} (${from})`;
  if (back === undefined) return `${whence}, which leads back to no name`;
  return `${whence}, back to ${back}${backFrom === from ? '' : ` (${backFrom})`}`;
}

/** Who says that a name and an address belong together. */
function sourceOf(hosts: readonly HostsLine[], address: string, name: string): string {
  const plain = name.toLowerCase().replace(/\.$/, '');
  const found = hosts.find(
    (one) => one.address === address && one.names.some((each) => each.toLowerCase() === plain),
  );
  if (found !== undefined) return `${found.file}:${found.line}`;
  const [server] = getServers();
  return server === undefined ? 'the resolver' : `DNS, ${server}`;
}

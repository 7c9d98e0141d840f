import { addressTypes } from './numbers.ts';
import type { HostAddress } from './parts.ts';

/**
 * The Kerberos address of one end of a socket: an IPv4-mapped IPv6 address counts as IPv4
 * (krb5 lib/krb5/os/localaddr.c and genaddrs.c). Undefined for a text that is not an address.
 */
export function hostAddressOf(text: string): HostAddress | undefined {
  const bare = text.replace(/%.*$/, '');
  const ipv4 = ipv4Bytes(bare);
  if (ipv4 !== undefined) return { addrType: addressTypes.ipv4, address: ipv4 };
  const ipv6 = ipv6Bytes(bare);
  if (ipv6 === undefined) return undefined;
  return mappedPrefix.every((byte, at) => byte === ipv6[at])
    ? { addrType: addressTypes.ipv4, address: ipv6.slice(mappedPrefix.length) }
    : { addrType: addressTypes.ipv6, address: ipv6 };
}

/** For a socket without an address: 0 on the side that connected, 1 on the side that accepted. */
export function directionalAddress(side: 'client' | 'server'): HostAddress {
  const address = Uint8Array.of(0, 0, 0, side === 'client' ? 0 : 1);
  return { addrType: addressTypes.directional, address };
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const dotted = /^(.*:)([^:]*\.[^:]*)$/.exec(text);
  const last = ipv4Bytes(dotted?.[2] ?? '');
  if (last !== undefined) {
    const [a = 0, b = 0, c = 0, d = 0] = last;
    return ipv6Bytes(`${dotted?.[1]}${hex(a * 256 + b)}:${hex(c * 256 + d)}`);
  }
  const halves = text.split('::');
  if (!/^[0-9a-f:]+$/i.test(text) || halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const groups = [...head, ...Array<string>(gap).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(groups.flatMap((g) => [parseInt(g, 16) >> 8, parseInt(g, 16) & 0xff]));
}

function hex(group: number): string {
  return group.toString(16);
}

/** ::ffff:0:0/96, RFC 4291 §2.5.5.2. */
const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

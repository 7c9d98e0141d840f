import { hostAddressOf } from '../../protocol/krb5/messages/address.ts';
import { addressTypes } from '../../protocol/krb5/messages/numbers.ts';

/**
 * The addresses that one attacker can be expected to hold, as one name: an IPv4 address (also one
 * that is mapped into IPv6), or the /64 of an IPv6 address, of which every host has all.
 */
export function peerGroupOf(address: string): string {
  const known = hostAddressOf(address);
  if (known === undefined) return address;
  if (known.addrType === addressTypes.ipv4) return known.address.join('.');
  return `${Buffer.from(known.address.subarray(0, 8))
    .toString('hex')
    .replace(/....(?!$)/g, '$&:')}::/64`;
}

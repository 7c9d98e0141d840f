import { hostname } from 'node:os';

import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { canonicalHostName } from './libc.ts';
import { searchDomain } from './resolv-conf.ts';

export interface HostNameRules {
  /** `dns_canonicalize_hostname` of krb5.conf. */
  readonly canonicalize: 'true' | 'false' | 'fallback';
  /** `rdns`: whether the name of the first address replaces the canonical name. */
  readonly rdns: boolean;
  /** `qualify_shortname`: undefined for the resolver's first search domain, '' for no suffix. */
  readonly qualifyShortname: string | undefined;
  /** Forward look-up, and with `rdns` the reverse one; undefined if there is no such host. */
  readonly lookUp?: (host: string, o: { rdns: boolean }) => Promise<string | undefined>;
  readonly searchDomain?: () => string | undefined;
}

/**
 * The forms of a host name under which its principal may be known, in the order to try them: one
 * form, or in fallback mode the one made without DNS, then the one made with DNS if they differ.
 * A host that does not resolve is not an error. @see MIT krb5, sn2princ.c
 */
export async function canonicalHost(host: string, o: HostNameRules): Promise<readonly string[]> {
  if (o.canonicalize === 'false') return [principalForm(host, undefined, o)];
  const found = await (o.lookUp ?? canonicalHostName)(host, { rdns: o.rdns });
  const withDns = principalForm(host, found, o);
  if (o.canonicalize === 'true') return [withDns];
  return [...new Set([principalForm(host, undefined, o), withDns])];
}

/** The same by the rules in krb5.conf. */
export function canonicalNames(
  host: string,
  config: Pick<Krb5Config, 'canonicalizeHostname' | 'rdns' | 'qualifyShortname'>,
): Promise<readonly string[]> {
  const { canonicalizeHostname: canonicalize, rdns, qualifyShortname } = config;
  return canonicalHost(host, { canonicalize, rdns, qualifyShortname });
}

/** The name of this host, as the kernel has it. */
export function localHostName(): string {
  return hostname();
}

function principalForm(host: string, found: string | undefined, o: HostNameRules): string {
  // Only a name that did not resolve is completed: DNS's own answer may be a short name. "vm." has a
  // dot, so it becomes "vm".
  const whole = found ?? (host.includes('.') ? host : qualified(host, o));
  // ASCII only: C's tolower() in the C locale leaves other bytes alone.
  return whole.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/\.$/, '');
}

function qualified(host: string, o: HostNameRules): string {
  const suffix = o.qualifyShortname ?? (o.searchDomain ?? searchDomain)();
  return suffix ? `${host}.${suffix}` : host;
}

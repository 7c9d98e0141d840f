import { ADDRCONFIG } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';

import { KpropError } from '../errors/kprop-error.ts';
import { dnsAnswer } from '../host/libc.ts';
import { ByteReader, textOf } from '../protocol/bytes.ts';

/** What finding and asking a KDC needs to know of krb5.conf. */
export interface KdcConfig {
  /** `kdc` of the realm, in order. */
  kdcs(realm: string): readonly string[];
  /** `primary_kdc`, else `master_kdc`. */
  primaryKdcs(realm: string): readonly string[];
  readonly dnsLookupKdc: boolean;
  readonly dnsUriLookup: boolean;
  /** Longest request in bytes that goes by UDP first. */
  readonly udpPreferenceLimit: number;
  /** For one request, all servers and passes together; 0 for the schedule's own end. */
  readonly requestTimeoutSeconds: number;
}

export interface KdcServer {
  /** Name or address; of a KKDCP proxy, the whole entry. */
  readonly host: string;
  readonly port: number;
  /** `either` as the request's length suggests; `kkdcp` is known and never asked. */
  readonly transport: 'either' | 'udp' | 'tcp' | 'kkdcp';
  /** Whether the source says that the database is written there; undefined if it does not say. */
  readonly primary: boolean | undefined;
}

export interface KdcAddress {
  readonly address: string;
  readonly family: number;
}

interface Weighed {
  readonly priority: number;
}

/** Look-ups; each gives an empty list for what does not exist or cannot be found out now. */
export interface KdcResolver {
  addresses(host: string): Promise<readonly KdcAddress[]>;
  srv(name: string): Promise<readonly (Weighed & { name: string; port: number })[]>;
  uri(name: string): Promise<readonly (Weighed & { target: string })[]>;
}

/**
 * The KDCs of a realm in the order to ask them: of krb5.conf, else of DNS URI records, else of DNS
 * SRV records. @throws kdc.unknown-realm, config.value @see MIT krb5, locate_kdc.c
 */
export async function locateKdcs(
  realm: string,
  config: KdcConfig,
  o: { primaryOnly?: boolean; resolver?: KdcResolver } = {},
): Promise<readonly KdcServer[]> {
  const { primaryOnly = false, resolver = systemResolver() } = o;
  const configured = fromConfig(realm, config, primaryOnly);
  if (configured.length > 0) return configured;
  if (config.dnsLookupKdc) {
    if (config.dnsUriLookup) {
      const servers = await fromUri(realm, primaryOnly, resolver);
      if (servers.length > 0) return servers;
    }
    const servers = await fromSrv(realm, primaryOnly, resolver);
    if (servers.length > 0) return servers;
  }
  throw new KpropError('kdc.unknown-realm', { realm });
}

/** Whether a server is known as a primary of its realm, so that asking one again is no use. */
export async function isPrimaryKdc(
  server: KdcServer,
  realm: string,
  config: KdcConfig,
  o: { resolver?: KdcResolver } = {},
): Promise<boolean> {
  if (server.primary !== undefined) return server.primary;
  try {
    const primaries = await locateKdcs(realm, config, { ...o, primaryOnly: true });
    return primaries.some(
      ({ host, port }) => host.toLowerCase() === server.host.toLowerCase() && port === server.port,
    );
  } catch {
    return false;
  }
}

/** The resolver of this machine. Its look-ups run beside the event loop. */
export function systemResolver(): KdcResolver {
  return {
    addresses: (host) =>
      lookup(host, { all: true, hints: ADDRCONFIG, verbatim: true }).catch(() => []),
    srv: (name) => new Resolver().resolveSrv(name).catch(() => []),
    uri: async (name) => {
      const answer = await dnsAnswer(`${name}.`, TYPE_URI); // node:dns has no URI records
      return answer === undefined ? [] : parseUriRecords(answer);
    },
  };
}

/** The URI records in a DNS message, none if it is malformed. @see RFC 1035 §4.1, RFC 7553 §4.5 */
export function parseUriRecords(message: Uint8Array): { priority: number; target: string }[] {
  const records = [];
  try {
    const reader = new ByteReader(message, 'DNS answer');
    reader.bytes(4); // id, flags
    const questionCount = reader.uint16();
    const answerCount = reader.uint16();
    reader.bytes(4); // counts of the two other sections
    for (let index = 0; index < questionCount; index++) {
      skipName(reader);
      reader.bytes(4); // type, class
    }
    for (let index = 0; index < answerCount; index++) {
      skipName(reader);
      const type = reader.uint16();
      reader.bytes(6); // class, time to live
      const data = new ByteReader(reader.bytes(reader.uint16()), 'DNS record');
      if (type !== TYPE_URI) continue; // a CNAME on the way
      const priority = data.uint16();
      data.uint16(); // weight, which MIT krb5 ignores
      records.push({ priority, target: textOf(data.rest()) });
    }
  } catch (error) {
    if (!(error instanceof KpropError)) throw error;
    return [];
  }
  return records;
}

function skipName(reader: ByteReader): void {
  for (;;) {
    const length = reader.uint8();
    if (length === 0) return;
    if (length >= 0xc0) {
      reader.uint8(); // a pointer ends the name
      return;
    }
    reader.bytes(length);
  }
}

function fromConfig(realm: string, config: KdcConfig, primaryOnly: boolean): KdcServer[] {
  const entries = primaryOnly ? config.primaryKdcs(realm) : config.kdcs(realm);
  const primary = primaryOnly ? true : undefined;
  return entries.flatMap((entry): KdcServer[] => {
    if (/^https:\/\//i.test(entry)) {
      return [{ host: entry, port: HTTPS_PORT, transport: 'kkdcp', primary }];
    }
    if (/^\d+$/.test(entry)) return []; // a port of no host
    const place = parsePlace(entry);
    if (place === undefined) {
      throw new KpropError('config.value', {
        relation: `${primaryOnly ? 'primary_kdc' : 'kdc'} of realm ${realm}`,
        value: entry,
        reason: 'is not host, host:port or [IPv6 address]:port',
      });
    }
    return [{ ...place, transport: 'either', primary }];
  });
}

async function fromUri(
  realm: string,
  primaryOnly: boolean,
  resolver: KdcResolver,
): Promise<KdcServer[]> {
  const records = await resolver.uri(`_kerberos.${realm}`);
  return byPriority(records).flatMap(({ target }): KdcServer[] => {
    const [, flags, transport, residual] = uriTarget.exec(target) ?? [];
    if (flags === undefined || transport === undefined || residual === undefined) return [];
    const primary = flags.includes('m');
    if (primaryOnly && !primary) return [];
    if (/^kkdcp$/i.test(transport)) {
      return [{ host: residual, port: HTTPS_PORT, transport: 'kkdcp', primary }];
    }
    const place = parsePlace(residual);
    if (place === undefined) return [];
    return [{ ...place, transport: /^udp$/i.test(transport) ? 'udp' : 'tcp', primary }];
  });
}

async function fromSrv(
  realm: string,
  primaryOnly: boolean,
  resolver: KdcResolver,
): Promise<KdcServer[]> {
  const service = primaryOnly ? '_kerberos-master' : '_kerberos';
  const primary = primaryOnly ? true : undefined;
  const servers: KdcServer[] = [];
  for (const transport of ['udp', 'tcp'] as const) {
    const records = await resolver.srv(`${service}._${transport}.${realm}`);
    for (const { name, port } of byPriority(records)) {
      // The dot keeps the resolver from trying its search domains.
      servers.push({ host: `${name}.`, port, transport, primary });
    }
  }
  return servers;
}

/** Records in order of priority; weights do not count, and equals stay in order (as MIT krb5). */
function byPriority<T extends Weighed>(records: readonly T[]): T[] {
  return [...records].sort((a, b) => a.priority - b.priority);
}

/** Host and port of "host", "host:port", "[v6]" or "[v6]:port"; what follows a blank is ignored. */
function parsePlace(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port = String(KDC_PORT)] =
    /^(?:\[([^\]]+)\]|([^\s:[]+))(?::(\d{1,5}))?(?=\s|$)/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = Number(port);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}

const KDC_PORT = 88; // RFC 4120 §7.2.1; the services database is not asked
const HTTPS_PORT = 443;
const TYPE_URI = 256; // RFC 7553 §4.1
// krb5srv:FLAGS:TRANSPORT:RESIDUAL, draft-mccallum-kitten-krb-service-discovery
const uriTarget = /^krb5srv:([^:]*):(udp|tcp|kkdcp):(.+)$/i;

import { ADDRCONFIG } from 'node:dns';
import { lookup, Resolver } from 'node:dns/promises';

import { KpropError } from '../errors/kprop-error.ts';
import { dnsAnswer } from '../host/libc.ts';
import { ByteReader, textOf } from '../protocol/bytes.ts';

/** The settings of krb5.conf by which a KDC is found and asked. */
export interface KdcConfig {
  /** Files that should have been read, but do not exist. */
  readonly missing?: readonly string[];
  /** Those that were read. */
  readonly files?: readonly string[];
  /** `kdc` of the realm, in order. */
  kdcs(realm: string): readonly string[];
  /** `primary_kdc`, else `master_kdc`. */
  primaryKdcs(realm: string): readonly string[];
  readonly dnsLookupKdc: boolean;
  readonly dnsUriLookup: boolean;
  /** A longer request, in bytes, goes by TCP first. */
  readonly udpPreferenceLimit: number;
  /** For one request, with all servers and passes; 0: as long as the schedule takes. */
  readonly requestTimeoutSeconds: number;
}

export interface KdcServer {
  /** Name or address; of a KKDCP proxy, the whole entry. */
  readonly host: string;
  readonly port: number;
  /** `either`: chosen by the length of the request; `kkdcp` proxies are never asked. */
  readonly transport: 'either' | 'udp' | 'tcp' | 'kkdcp';
  /** Whether this is the primary KDC; undefined if the source does not say. */
  readonly primary: boolean | undefined;
}

export interface KdcAddress {
  readonly address: string;
  readonly family: number;
}

interface Weighed {
  readonly priority: number;
}

/** Look-ups. Each gives an empty list if there is no record or the look-up fails. */
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
  const [missing] = config.missing ?? [];
  const file = config.files?.at(-1);
  throw new KpropError('kdc.unknown-realm', {
    realm,
    ...(missing !== undefined && { missing }),
    ...(file !== undefined && { file }),
  });
}

/** Whether a server is known to be a primary KDC of its realm: then no other need be asked. */
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

/** The resolver of this machine. Its look-ups do not block the event loop. */
export function systemResolver(): KdcResolver {
  return {
    addresses: (host) =>
      lookup(host, { all: true, hints: ADDRCONFIG, verbatim: true }).catch(() => []),
    srv: (name) => new Resolver().resolveSrv(name).catch(() => []),
    uri: async (name) => {
      const answer = await dnsAnswer(`${name}.`, uriRecordType); // node:dns has no URI records
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
      if (type !== uriRecordType) continue; // a CNAME on the way
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
      return [{ host: entry, port: httpsPort, transport: 'kkdcp', primary }];
    }
    if (/^\d+$/.test(entry)) return []; // a port without a host
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
      return [{ host: residual, port: httpsPort, transport: 'kkdcp', primary }];
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

/** Records by priority. As in MIT krb5, weights are ignored, and equal ones keep their order. */
function byPriority<T extends Weighed>(records: readonly T[]): T[] {
  return [...records].sort((a, b) => a.priority - b.priority);
}

/** Host and port of "host", "host:port", "[v6]" or "[v6]:port"; the text after a blank is ignored. */
function parsePlace(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port = String(kdcPort)] =
    /^(?:\[([^\]]+)\]|([^\s:[]+))(?::(\d{1,5}))?(?=\s|$)/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = Number(port);
  return host === undefined || number < 1 || number > 65_535 ? undefined : { host, port: number };
}

const kdcPort = 88; // RFC 4120 §7.2.1; the services database is not consulted
const httpsPort = 443;
const uriRecordType = 256; // RFC 7553 §4.1
// krb5srv:FLAGS:TRANSPORT:RESIDUAL, draft-mccallum-kitten-krb-service-discovery
const uriTarget = /^krb5srv:([^:]*):(udp|tcp|kkdcp):(.+)$/i;

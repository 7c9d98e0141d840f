import { isIPv6 } from 'node:net';

import { inPhase, isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { type Ambient, shiftedAmbient } from '../../protocol/ambient.ts';
import { UpdateSource } from '../../protocol/iprop/update-source.ts';
import type { Krb5Config } from '../../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../../protocol/krb5/messages/principal.ts';
import type { Credential } from '../../protocol/krb5/session/credential.ts';
import { type CredentialRequest, obtainCredential } from '../../ticket/credentials.ts';
import { dial } from '../../ticket/dial.ts';

/** Where a replica's updates come from, and as whom it asks for them. */
export interface PrimaryOptions {
  readonly realm: string;
  readonly config: Krb5Config;
  /** The primary, with or without brackets and a port, which is ignored; `admin_server` unless given. */
  readonly adminServer?: string | undefined;
  /** The port of incremental propagation; `iprop_port` unless given. */
  readonly port?: number | undefined;
  /** Keytab name with the keys of kiprop/<this host>; the configured one unless given. */
  readonly keytab?: string | undefined;
  readonly ambient: Ambient;
  readonly signal?: AbortSignal | undefined;
}

/** A connection with the primary's kadmind. */
export interface PrimaryLink {
  readonly source: UpdateSource;
  close(): Promise<void>;
}

/** For each address of the primary. */
const connectMillis = 30_000;
/** kadmind answers at once, unless somebody holds the lock of its update log. */
const idleMillis = 120_000;

/**
 * Connects and authenticates. The primary's name is used as it is written, for connecting and in
 * kiprop/HOST: kadmind's database must have it so.
 * @throws config.*, keytab.*, kdc.*, network.*, rpc.*, peer.refused, session.*, crypto.*, decode.*
 */
export async function connectToPrimary(
  clients: readonly [Principal, ...Principal[]],
  o: PrimaryOptions,
): Promise<PrimaryLink> {
  const { realm, config, signal } = o;
  const host = hostIn(o.adminServer ?? config.adminServer(realm));
  if (host === '') throw new KpropError('iprop.no-primary', { realm, relation: 'admin_server' });
  const port = o.port ?? config.ipropPort(realm);
  if (port === undefined)
    throw new KpropError('iprop.no-primary', { realm, relation: 'iprop_port' });
  const server = Principal.of(realm, ['kiprop', host], nameTypes.principal);
  const credential = await inPhase('credentials', undefined, () =>
    ticketFor({
      source: { kind: 'keytab', name: o.keytab },
      clients,
      server,
      config,
      ambient: o.ambient,
      signal,
    }),
  );
  const channel = await inPhase('connect', undefined, () => dialPrimary(host, port, signal));
  try {
    const ambient = shiftedAmbient(o.ambient, credential.clockOffsetMicros);
    const source = await inPhase('authenticate', undefined, () =>
      UpdateSource.open(channel, { credential, ambient, idleMillis }),
    );
    return { source, close: () => channel.close() };
  } catch (error) {
    await channel.close();
    throw error;
  }
}

/** @throws iprop.no-service, and as obtainCredential */
async function ticketFor(request: CredentialRequest): Promise<Credential> {
  try {
    return await obtainCredential(request);
  } catch (cause) {
    if (!isKpropError(cause, 'kdc.error') || cause.detail.number !== serverUnknown) throw cause;
    throw new KpropError('iprop.no-service', { server: `${request.server}` }, { cause });
  }
}

/** KDC_ERR_S_PRINCIPAL_UNKNOWN */
const serverUnknown = 7;

async function dialPrimary(host: string, port: number, signal: AbortSignal | undefined) {
  try {
    return await dial(host, port, { connectMillis, signal });
  } catch (cause) {
    if (!isKpropError(cause, 'network.unreachable')) throw cause;
    throw new KpropError('iprop.unreachable', cause.detail, { cause });
  }
}

/**
 * The host of `host`, `host:port`, `[address]:port` or an IPv6 address. MIT's kpropd takes the port off
 * twice, so that no numeric IPv6 address ever reaches it whole.
 */
export function hostIn(adminServer = ''): string {
  const bracketed = /^\[([^\]]*)\]/.exec(adminServer)?.[1];
  if (bracketed !== undefined) return bracketed;
  return isIPv6(adminServer) ? adminServer : (adminServer.split(':')[0] ?? '');
}

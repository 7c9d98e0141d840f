import { KpropError, unreachable } from '../errors/kprop-error.ts';
import { readCcache } from '../host/ccache-file.ts';
import { defaultKeytabName, readKeytab } from '../host/keytab-file.ts';
import type { Ambient } from '../protocol/ambient.ts';
import { decode } from '../protocol/der/schema.ts';
import { Key } from '../protocol/krb5/crypto/key.ts';
import type { CachedCredential } from '../protocol/krb5/formats/ccache.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { principalOf } from '../protocol/krb5/messages/parts.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import { ticket } from '../protocol/krb5/messages/ticket.ts';
import type { Credential } from '../protocol/krb5/session/credential.ts';
import { requirePermitted, requireWithin } from '../protocol/krb5/session/validity.ts';
import { requestServiceTicket } from './as-exchange.ts';
import { fetchThroughGss } from './gss-source.ts';

/** Where the ticket for the replica comes from. */
export type CredentialSource =
  /** An AS exchange of our own with a key of a keytab; `name` as in KRB5_KTNAME. */
  | { readonly kind: 'keytab'; readonly name?: string | undefined }
  /** A ticket that a FILE: credential cache holds already. */
  | { readonly kind: 'ccache'; readonly name: string }
  /** The Kerberos library of the system, through the optional package `kerberos`. */
  | {
      readonly kind: 'gss';
      /** The client's keytab; without it, the configured one. */
      readonly keytab?: string | undefined;
      /** Environment of the library (KRB5_CONFIG, KRB5_TRACE…); nothing comes from this process's own. */
      readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
    };

export interface CredentialRequest {
  readonly source: CredentialSource;
  /** Our own names, preferred ones first: the first that the keytab has keys for is used. */
  readonly clients: readonly [Principal, ...Principal[]];
  readonly server: Principal;
  readonly config: Krb5Config;
  readonly ambient: Ambient;
  readonly signal?: AbortSignal | undefined;
}

/** A usable credential for the server. @throws keytab.*, ccache.*, gss.*, kdc.*, auth.* */
export async function obtainCredential(request: CredentialRequest): Promise<Credential> {
  const credential = await fetchCredential(request);
  requireValidNow(credential, request);
  return credential;
}

async function fetchCredential(request: CredentialRequest): Promise<Credential> {
  const { source, clients, server, config, ambient, signal } = request;
  switch (source.kind) {
    case 'keytab': {
      const keytab = readKeytab(source.name ?? defaultKeytabName(config));
      const known = clients.find((client) => keytab.enctypesOf(client).length > 0);
      const client = known ?? clients[0];
      return requestServiceTicket({ client, server, keytab, config, ambient, signal });
    }
    case 'ccache':
      return cachedCredential(source.name, server);
    case 'gss': {
      const keytab = source.keytab ?? defaultKeytabName(config);
      const environment = source.environment ?? {};
      return await fetchThroughGss(
        { server, client: clients[0], keytab, environment, signal },
        (path) => cachedCredential(path, server),
      );
    }
    default:
      return unreachable(source);
  }
}

/** The ticket for the server that expires last, from a credential cache. @throws ccache.*, crypto.* */
function cachedCredential(name: string, server: Principal): Credential {
  const cache = readCcache(name);
  const found = cache.credentials
    .filter((credential) => isFor(server, credential))
    .sort((a, b) => b.endTime - a.endTime)[0];
  if (found === undefined) {
    throw new KpropError('ccache.no-ticket', { path: name, server: `${server}` });
  }
  return {
    client: found.client,
    server,
    sessionKey: Key.of(found.key.enctype, found.key.bytes),
    ticket: found.ticket,
    startTime: found.startTime || found.authTime,
    endTime: found.endTime,
    clockOffsetMicros: 0,
  };
}

/**
 * Whether a cached credential is for the server. GSS and kvno ask for a name without a realm, and the
 * ticket is then stored under the referral realm "": the ticket itself names its realm.
 */
function isFor(server: Principal, credential: CachedCredential): boolean {
  if (credential.server.equals(server)) return true;
  if (!credential.server.withRealm(server.realm).equals(server)) return false;
  if (credential.server.realm !== '') return false;
  const { realm, sname } = decode(ticket, credential.ticket);
  return principalOf(realm, sname).equals(server);
}

/** Checks what libkrb5 checks before it uses a ticket. */
function requireValidNow(credential: Credential, { ambient, config }: CredentialRequest): void {
  const now = Math.floor((ambient.nowMicros() + credential.clockOffsetMicros) / 1_000_000);
  const times = { startSeconds: credential.startTime, endSeconds: credential.endTime };
  requireWithin(times, now, config.clockSkewSeconds);
  requirePermitted(credential.sessionKey.profile.number, config.permittedEnctypes);
}

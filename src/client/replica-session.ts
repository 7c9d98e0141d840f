import { inInitialization, inPhase, KpropError, type Phase } from '../errors/kprop-error.ts';
import { requireOption } from '../errors/require-option.ts';
import { loadKrb5Config } from '../host/config-files.ts';
import { canonicalNames } from '../host/names.ts';
import { propagationPort } from '../host/port.ts';
import { type Ambient, shiftedAmbient } from '../protocol/ambient.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import { applicationVersion } from '../protocol/kprop/dump.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';
import type { Credential } from '../protocol/krb5/session/credential.ts';
import { sendauth } from '../protocol/krb5/session/sendauth.ts';
import type { Session } from '../protocol/krb5/session/session.ts';
import { adviseOnNames } from '../ticket/advise-on-names.ts';
import { type CredentialSource, obtainCredential } from '../ticket/credentials.ts';
import { dial } from '../ticket/dial.ts';
import { ownPrincipals } from '../ticket/own-principals.ts';
import { untilAborted } from '../ticket/until-aborted.ts';

/** Which replica, and as whom. */
export interface ReplicaOptions {
  /** The replica, by name or address. */
  readonly host: string;
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** The default realm of the configuration unless given. */
  readonly realm?: string | undefined;
  /** /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /**
   * The principal that the replica must have, such as host/kdc2.example.com@REALM: if DNS leads to
   * another, no ticket is requested. Any principal unless given.
   */
  readonly expect?: string | undefined;
  /** The configured keytab unless given. */
  readonly credential?: CredentialSource | undefined;
  /** Ends it; the replica keeps its present database. */
  readonly signal?: AbortSignal | undefined;
}

/** Called when a phase begins. @throws aborted */
type Enter = (phase: Phase) => void;

export interface ReplicaTicket {
  /** The replica's principal. */
  readonly server: Principal;
  readonly credential: Credential;
}

/** A ticket for the replica. @throws config.*, network.unexpected-host, keytab.*, kdc.*, gss.*, ccache.* */
export async function ticketFor(
  options: ReplicaOptions,
  { ambient, enter }: { readonly ambient: Ambient; readonly enter: Enter },
): Promise<ReplicaTicket> {
  const { host, signal } = options;
  enter('configuration');
  const config = options.config ?? (await inInitialization(() => loadKrb5Config({})));
  const realm =
    options.realm ??
    (await inPhase('configuration', 'while getting default realm', () => config.defaultRealm));
  const lookUp = <T>(names: () => Promise<T>) =>
    inPhase('configuration', undefined, () => untilAborted(signal, names));
  const clients = await lookUp(() => ownPrincipals('host', realm, config));
  const server = await lookUp(() => replicaPrincipal(host, realm, config));
  await inPhase('configuration', undefined, () => requireExpected(server, realm, options));
  enter('credentials');
  const source = options.credential ?? { kind: 'keytab' };
  const request = { source, clients, server, config, ambient, signal };
  const credential = await inPhase('credentials', 'while getting initial credentials', () =>
    obtainCredential(request).catch((error: unknown) =>
      adviseOnNames(error, { ...request, host, realmGiven: options.realm !== undefined }),
    ),
  );
  return { server, credential };
}

/**
 * An authenticated session with the replica's kpropd. The caller closes the channel.
 * @throws network.*, peer.refused, session.*, crypto.*, decode.*, aborted
 */
export async function connectTo(
  { credential }: ReplicaTicket,
  { host, port: given, signal }: ReplicaOptions,
  o: {
    readonly ambient: Ambient;
    readonly enter: Enter;
    readonly limits: { readonly connectMillis: number; readonly authenticateMillis: number };
  },
): Promise<{ readonly channel: Channel; readonly session: Session; readonly port: number }> {
  const { enter, limits } = o;
  enter('connect');
  const port = await inPhase('connect', undefined, () => propagationPort(host, given));
  const channel = await inPhase('connect', 'while connecting to server', () =>
    dial(host, port, { connectMillis: limits.connectMillis, signal }),
  );
  try {
    enter('authenticate');
    channel.during('authenticating', limits.authenticateMillis);
    const ambient = shiftedAmbient(o.ambient, credential.clockOffsetMicros);
    const session = await inPhase('authenticate', 'while authenticating to server', () =>
      sendauth(channel, { application: applicationVersion, credential, ambient }),
    );
    return { channel, session, port };
  } catch (error) {
    channel.close();
    throw error;
  }
}

/**
 * The replica's principal. In fallback mode MIT's kprop uses the name exactly as typed. Its type is
 * PRINCIPAL, because kprop makes it by parsing a text (krb5 src/kprop/kprop.c).
 */
async function replicaPrincipal(
  host: string,
  realm: string,
  config: Krb5Config,
): Promise<Principal> {
  const asTyped = config.canonicalizeHostname === 'fallback';
  const [name = host] = asTyped ? [host] : await canonicalNames(host, config);
  return Principal.of(realm, ['host', name], nameTypes.principal);
}

/** @throws network.unexpected-host, principal.malformed */
function requireExpected(server: Principal, realm: string, { expect, host }: ReplicaOptions): void {
  if (expect === undefined || server.equals(Principal.parse(expect, realm))) return;
  throw new KpropError('network.unexpected-host', { host, server: `${server}`, expect });
}

/** Whether the replica's name is the one that was typed, or completes it with a domain. */
export function isNamed({ components: [, name = ''] }: Principal, host: string): boolean {
  const [found, typed] = [name, host].map((each) => each.toLowerCase().replace(/\.$/, ''));
  return found === typed || (found as string).startsWith(`${typed}.`);
}

/** For callers without types. @throws caller.option */
export function requireHost(call: string, host: unknown): void {
  const reason = 'must be the name of the replica';
  // An empty one is a name that does not resolve, as for MIT's kprop.
  requireOption(typeof host === 'string', { call, option: 'host', reason });
}

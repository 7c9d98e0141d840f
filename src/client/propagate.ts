import { errnoOf } from '../errors/com-err.ts';
import { abortError, inPhase, KpropError, type Phase } from '../errors/kprop-error.ts';
import { loadKrb5Config } from '../host/config-files.ts';
import { canonicalNames, localHostName } from '../host/names.ts';
import { propagationPort } from '../host/port.ts';
import { type Ambient, shiftedAmbient, systemAmbient } from '../protocol/ambient.ts';
import { applicationVersion, type Dump } from '../protocol/kprop/dump.ts';
import { sendDump } from '../protocol/kprop/sender.ts';
import type { Krb5Config } from '../protocol/krb5/formats/krb5-config.ts';
import { nameTypes, Principal } from '../protocol/krb5/messages/principal.ts';
import { sendauth } from '../protocol/krb5/session/sendauth.ts';
import { type CredentialSource, obtainCredential } from '../ticket/credentials.ts';
import { untilAborted } from '../ticket/until-aborted.ts';
import { dial } from './dial.ts';
import { type DumpFile, openDumpFile } from './dump-file.ts';

/** A dump that is not a file: its size in bytes, and its bytes. A Readable serves. */
export interface DumpStream {
  readonly bytes: number;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** How long nothing may move, by phase, in milliseconds; 0 leaves it without a limit. */
export interface PropagateLimits {
  /** For each address of the host; the kernel's own limit (some two minutes) holds in any case. */
  readonly connect: number;
  /** A replica of MIT's serves one peer at a time: others wait in its backlog, unanswered. */
  readonly authenticate: number;
  /** While the dump is sent. */
  readonly idle: number;
  /**
   * From the last block until the replica has loaded the database: two hours unless given, more than
   * any load takes. MIT's kprop waits for ever, also for a confirmation that was lost on the way.
   */
  readonly confirm: number;
}

export type PropagateEvent =
  | { readonly kind: 'phase'; readonly phase: Phase }
  /** Nothing that stops the propagation, and something that an administrator should know. */
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number };

export interface PropagateOptions {
  /** The replica, by name or address. */
  readonly host: string;
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** Path of a dump that kdb5_util made (its .dump_ok is looked at), or a stream. */
  readonly dump: string | DumpStream;
  /** The default realm of the configuration unless given. */
  readonly realm?: string | undefined;
  /** /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /**
   * The principal that the replica must have, such as host/kdc2.example.com@REALM; where DNS leads to
   * another one, not even the ticket is asked for. Any unless given.
   */
  readonly expect?: string | undefined;
  /** The configured keytab unless given. */
  readonly credential?: CredentialSource | undefined;
  readonly limits?: { readonly [K in keyof PropagateLimits]?: number | undefined } | undefined;
  /** Ends the propagation; the replica keeps the database that it has. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: PropagateEvent) => void) | undefined;
  readonly ambient?: Ambient | undefined;
}

export interface PropagateReport {
  readonly host: string;
  readonly port: number;
  /** The replica's principal, which proved its identity. */
  readonly server: string;
  readonly bytes: number;
  /** Name of the encryption type that protected the dump. */
  readonly enctype: string;
  readonly millis: number;
}

export const defaultLimits: PropagateLimits = {
  connect: 0,
  authenticate: 600_000,
  idle: 600_000,
  confirm: 7_200_000,
};

/**
 * Sends a database dump to one replica and resolves when the replica has loaded it.
 * Memory does not grow with the dump. Errors name their phase and carry a remedy.
 * @throws KpropError: config.*, keytab.*, kdc.*, dump.*, network.*, peer.refused, session.*…
 */
export async function propagate(options: PropagateOptions): Promise<PropagateReport> {
  const started = performance.now();
  const { host, signal } = options;
  const ambient = options.ambient ?? systemAmbient();
  const limits = limitsOf(options.limits ?? {});
  const announce = (phase: Phase) => options.onEvent?.({ kind: 'phase', phase });
  const enter = (phase: Phase) => {
    if (signal?.aborted) throw abortError(signal.reason).during(phase);
    announce(phase);
  };

  enter('configuration');
  const config =
    options.config ??
    (await inPhase('configuration', 'while initializing krb5', () => loadKrb5Config({})));
  const realm =
    options.realm ??
    (await inPhase('configuration', 'while getting default realm', () => config.defaultRealm));
  const lookUp = <T>(names: () => Promise<T>) =>
    inPhase('configuration', undefined, () => untilAborted(signal, names));
  const clients = await lookUp(() => ownPrincipals(realm, config));
  const server = await lookUp(() => replicaPrincipal(host, realm, config));
  await inPhase('configuration', undefined, () => requireExpected(server, realm, options));

  enter('credentials');
  const source = options.credential ?? { kind: 'keytab' };
  const credential = await inPhase('credentials', 'while getting initial credentials', () =>
    obtainCredential({ source, clients, server, config, ambient, signal }),
  );

  enter('dump');
  const dump = await openDump(options.dump);
  try {
    if (dump.warning !== undefined) options.onEvent?.({ kind: 'warning', text: dump.warning });
    enter('connect');
    const port = await inPhase('connect', undefined, () => propagationPort(host, options.port));
    const channel = await inPhase('connect', 'while connecting to server', () =>
      dial(host, port, { connectMillis: limits.connect, signal }),
    );
    try {
      enter('authenticate');
      channel.during('authenticating', limits.authenticate);
      const session = await inPhase('authenticate', 'while authenticating to server', () =>
        sendauth(channel, {
          application: applicationVersion,
          credential,
          ambient: shiftedAmbient(ambient, credential.clockOffsetMicros),
        }),
      );
      if (options.expect === undefined && !isNamed(server, host)) {
        const text = `${host} turned out to be ${server}: if that is not the host you mean, look at DNS and /etc/hosts, and let kprop --expect the principal that you mean`;
        options.onEvent?.({ kind: 'warning', text });
      }
      enter('size');
      await sendDump(channel, session, announced(dump, announce), {
        limits: { idleMillis: limits.idle, confirmMillis: limits.confirm },
        onProgress: (bytes) => {
          options.onEvent?.({ kind: 'progress', bytes, total: dump.bytes });
          if (bytes === dump.bytes) announce('confirm');
        },
      });
      return {
        host,
        port,
        server: server.toString(),
        bytes: dump.bytes,
        enctype: session.enctype,
        millis: performance.now() - started,
      };
    } finally {
      channel.close();
    }
  } finally {
    await dump.close();
  }
}

function limitsOf(given: NonNullable<PropagateOptions['limits']>): PropagateLimits {
  return {
    connect: given.connect ?? defaultLimits.connect,
    authenticate: given.authenticate ?? defaultLimits.authenticate,
    idle: given.idle ?? defaultLimits.idle,
    confirm: given.confirm ?? defaultLimits.confirm,
  };
}

/** The dump, which tells when it is read: then its size is sent. */
function announced(dump: Dump, announce: (phase: Phase) => void): Dump {
  return {
    bytes: dump.bytes,
    async *pieces() {
      announce('blocks');
      yield* dump.pieces();
      // Without a block there is no progress that could tell.
      if (dump.bytes === 0) announce('confirm');
    },
  };
}

async function ownPrincipals(
  realm: string,
  config: Krb5Config,
): Promise<readonly [Principal, ...Principal[]]> {
  const names = await canonicalNames(localHostName(), config);
  return names.map((name) => hostPrincipal(name, realm, nameTypes.srvHst)) as [
    Principal,
    ...Principal[],
  ];
}

/**
 * The replica's principal. In fallback mode MIT's kprop hands the name on as typed, in no other
 * form; and its type is PRINCIPAL, because it goes through a text (krb5 src/kprop/kprop.c).
 */
async function replicaPrincipal(
  host: string,
  realm: string,
  config: Krb5Config,
): Promise<Principal> {
  const asTyped = config.canonicalizeHostname === 'fallback';
  const [name = host] = asTyped ? [host] : await canonicalNames(host, config);
  return hostPrincipal(name, realm, nameTypes.principal);
}

/** @throws network.unexpected-host, principal.malformed */
function requireExpected(
  server: Principal,
  realm: string,
  { expect, host }: PropagateOptions,
): void {
  if (expect === undefined || server.equals(Principal.parse(expect, realm))) return;
  throw new KpropError('network.unexpected-host', { host, server: `${server}`, expect });
}

/** Whether the replica's name is the one that was asked for, or what completes it. */
function isNamed({ components: [, name = ''] }: Principal, host: string): boolean {
  const [found, typed] = [name, host].map((each) => each.toLowerCase().replace(/\.$/, ''));
  return found === typed || (found as string).startsWith(`${typed}.`);
}

function hostPrincipal(host: string, realm: string, nameType: number): Principal {
  return Principal.of(realm, ['host', host], nameType);
}

type OpenDump = Dump & Pick<DumpFile, 'warning' | 'close'>;

async function openDump(dump: string | DumpStream): Promise<OpenDump> {
  if (typeof dump === 'string') return await inPhase('dump', undefined, () => openDumpFile(dump));
  const { bytes, stream } = dump;
  if (!Number.isSafeInteger(bytes) || bytes < 0) {
    throw new KpropError('dump.bad-size', { bytes }).during('dump');
  }
  return {
    bytes,
    warning: undefined,
    pieces: () => readStream(stream),
    // Whoever made the stream closes it; a Readable closes itself when its reader leaves.
    close: async () => undefined,
  };
}

/** The stream, with its failures told as those of a dump. */
async function* readStream(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    if (cause instanceof KpropError) throw cause;
    const reason = errnoOf(cause) || (cause instanceof Error ? cause.message : `${cause}`);
    throw new KpropError('dump.read', { path: 'stream', errno: reason }, { cause });
  }
}

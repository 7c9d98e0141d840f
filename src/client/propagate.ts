import { errnoOf } from '../errors/com-err.ts';
import {
  abortError,
  inInitialization,
  inPhase,
  KpropError,
  type Phase,
} from '../errors/kprop-error.ts';
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
import { dial } from '../ticket/dial.ts';
import { untilAborted } from '../ticket/until-aborted.ts';
import { type DumpFile, openDumpFile } from './dump-file.ts';

/** A dump that is not a file: its size in bytes, and its bytes, such as a Readable. */
export interface DumpStream {
  readonly bytes: number;
  readonly stream: AsyncIterable<Uint8Array>;
}

/** How long each phase may wait while nothing moves, in milliseconds; 0: without a limit. */
export interface PropagateLimits {
  /** For each address of the host; the kernel's own limit (about two minutes) holds in any case. */
  readonly connectMillis: number;
  /** MIT's kpropd serves one peer at a time: others wait in its backlog without an answer. */
  readonly authenticateMillis: number;
  /** While the dump is sent. */
  readonly idleMillis: number;
  /**
   * From the last block until the replica has loaded the database: two hours unless given, which is
   * longer than any load takes. MIT's kprop waits for ever, even if the confirmation was lost.
   */
  readonly confirmMillis: number;
}

export type PropagateEvent =
  | { readonly kind: 'phase'; readonly phase: Phase }
  /** Something that an administrator should know, though the propagation goes on. */
  | { readonly kind: 'warning'; readonly text: string }
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number };

export interface PropagateOptions {
  /** The replica, by name or address. */
  readonly host: string;
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** Path of a dump that kdb5_util made, with its .dump_ok beside it, or a stream. */
  readonly dump: string | DumpStream;
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
  readonly limits?: { readonly [K in keyof PropagateLimits]?: number | undefined } | undefined;
  /** Ends the propagation; the replica keeps its present database. */
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
  connectMillis: 0,
  authenticateMillis: 600_000,
  idleMillis: 600_000,
  confirmMillis: 7_200_000,
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
  const config = options.config ?? (await inInitialization(() => loadKrb5Config({})));
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
      dial(host, port, { connectMillis: limits.connectMillis, signal }),
    );
    try {
      enter('authenticate');
      channel.during('authenticating', limits.authenticateMillis);
      const session = await inPhase('authenticate', 'while authenticating to server', () =>
        sendauth(channel, {
          application: applicationVersion,
          credential,
          ambient: shiftedAmbient(ambient, credential.clockOffsetMicros),
        }),
      );
      if (options.expect === undefined && !isNamed(server, host)) {
        const text = `${host} turned out to be ${server}: if that is not the host you mean, correct DNS or /etc/hosts, or give kprop the right principal with --expect`;
        options.onEvent?.({ kind: 'warning', text });
      }
      enter('size');
      await sendDump(channel, session, announced(dump, announce), {
        limits,
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
    connectMillis: given.connectMillis ?? defaultLimits.connectMillis,
    authenticateMillis: given.authenticateMillis ?? defaultLimits.authenticateMillis,
    idleMillis: given.idleMillis ?? defaultLimits.idleMillis,
    confirmMillis: given.confirmMillis ?? defaultLimits.confirmMillis,
  };
}

/** The dump, which announces the phase when its reading starts (its size is sent by then) and ends. */
function announced(dump: Dump, announce: (phase: Phase) => void): Dump {
  return {
    bytes: dump.bytes,
    async *pieces() {
      announce('blocks');
      yield* dump.pieces();
      // An empty dump makes no progress event, which otherwise announces this phase.
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

/** Whether the replica's name is the one that was typed, or completes it with a domain. */
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
    // The caller closes the stream; a Readable closes itself when its reading ends.
    close: async () => undefined,
  };
}

/** The bytes of the stream; what fails in it is an error of the dump. @throws dump.read */
async function* readStream(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    if (cause instanceof KpropError) throw cause;
    const reason = errnoOf(cause) || (cause instanceof Error ? cause.message : `${cause}`);
    throw new KpropError('dump.read', { path: 'stream', errno: reason }, { cause });
  }
}

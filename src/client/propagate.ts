import { abortError, inPhase, KpropError, type Phase, wordsOf } from '../errors/kprop-error.ts';
import { requireOption } from '../errors/require-option.ts';
import { tell } from '../host/tell.ts';
import { type Ambient, systemAmbient } from '../protocol/ambient.ts';
import type { Dump } from '../protocol/kprop/dump.ts';
import { sendDump } from '../protocol/kprop/sender.ts';
import { diagnosed } from './diagnosis.ts';
import { type DumpFile, openDumpFile } from './dump-file.ts';
import {
  connectTo,
  isNamed,
  type ReplicaOptions,
  requireHost,
  ticketFor,
} from './replica-session.ts';

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
  | {
      readonly kind: 'warning';
      readonly text: string;
      /** What to do about it, as KpropError's. */
      readonly remedy: string;
    }
  | { readonly kind: 'progress'; readonly bytes: number; readonly total: number };

export interface PropagateOptions extends ReplicaOptions {
  /** Path of a dump that kdb5_util made, with its .dump_ok beside it, or a stream. */
  readonly dump: string | DumpStream;
  readonly limits?: { readonly [K in keyof PropagateLimits]?: number | undefined } | undefined;
  /** An error that it throws becomes a warning of the process, and stops nothing. */
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
  try {
    return await send(options);
  } catch (error) {
    throw diagnosed(error, typeof options.dump === 'string' ? options.dump : undefined);
  }
}

async function send(options: PropagateOptions): Promise<PropagateReport> {
  const started = performance.now();
  const { host, signal } = options;
  const ambient = options.ambient ?? systemAmbient();
  const limits = limitsOf(options.limits ?? {});
  requireOptions(options);
  const announce = (phase: Phase) => tell(options.onEvent, { kind: 'phase', phase });
  const enter = (phase: Phase) => {
    if (signal?.aborted) throw abortError(signal.reason).during(phase);
    announce(phase);
  };

  const ticket = await ticketFor(options, { ambient, enter });

  enter('dump');
  const dump = await openDump(options.dump);
  try {
    if (dump.warning !== undefined) tell(options.onEvent, { kind: 'warning', ...dump.warning });
    const { channel, session, port } = await connectTo(ticket, options, {
      ...{ ambient, enter, limits },
    });
    try {
      if (options.expect === undefined && !isNamed(ticket.server, host)) {
        tell(options.onEvent, {
          kind: 'warning',
          text: `${host} turned out to be ${ticket.server}`,
          remedy: `if that is the replica you mean, run kprop with \`--expect ${ticket.server}\`; else correct what \`getent hosts ${host}\` says`,
        });
      }
      enter('size');
      await sendDump(channel, session, announced(dump, announce), {
        limits,
        onProgress: (bytes) => {
          tell(options.onEvent, { kind: 'progress', bytes, total: dump.bytes });
          if (bytes === dump.bytes) announce('confirm');
        },
      });
      return {
        host,
        port,
        server: ticket.server.toString(),
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

/** For callers without types. @throws caller.option */
function requireOptions({ host, dump }: PropagateOptions): void {
  const call = 'propagate()';
  requireHost(call, host);
  const isStream =
    typeof dump === 'object' && dump !== null && Symbol.asyncIterator in Object(dump.stream);
  requireOption(typeof dump === 'string' || isStream, {
    ...{ call, option: 'dump', reason: 'must be a path, or { bytes, stream }' },
  });
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

/** The bytes of the stream; what fails in it is told in its own words. @throws caller.stream */
async function* readStream(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (cause) {
    if (cause instanceof KpropError) throw cause;
    throw new KpropError('caller.stream', { reason: wordsOf(cause) }, { cause });
  }
}

import { abortError, isKpropError, KpropError, type Phase } from '../errors/kprop-error.ts';
import { systemAmbient } from '../protocol/ambient.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import { readFrame } from '../protocol/channel/frame.ts';
import { refusedBy } from '../protocol/krb5/session/sendauth.ts';
import { connectTo, type ReplicaOptions, requireHost, ticketFor } from './replica-session.ts';

export interface ProbeOptions extends ReplicaOptions {
  /** For a connection to each address. 5 s unless given. */
  readonly connectMillis?: number | undefined;
  /** For the answer of a kpropd that serves somebody else. 10 s unless given. */
  readonly authenticateMillis?: number | undefined;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
}

/** A replica that would take a dump from this host. */
export interface ProbeReport {
  /** The replica's principal, which proved its identity. */
  readonly server: string;
  readonly port: number;
  /** Name of the encryption type that would protect a dump. */
  readonly enctype: string;
  /** How far this host's clock is behind the KDC's, as far as that matters; negative if it is ahead. */
  readonly clockOffsetMillis: number;
  readonly millis: number;
}

/**
 * Does all that a propagation does before the first byte of a dump, and leaves: nothing is sent, nothing
 * changes, but for the replay cache and an empty temporary file of MIT's kpropd. A kpropd that refuses
 * this host says so, or, MIT's, closes the connection at once.
 * @throws as propagate: config.*, keytab.*, kdc.*, network.*, session.*, peer.refused, peer.hung-up
 */
export async function probe(options: ProbeOptions): Promise<ProbeReport> {
  const started = performance.now();
  const { host, signal } = options;
  requireHost('probe()', host);
  const ambient = systemAmbient();
  const enter = (phase: Phase) => {
    if (signal?.aborted) throw abortError(signal.reason).during(phase);
    options.onPhase?.(phase);
  };
  const ticket = await ticketFor(options, { ambient, enter });
  const limits = {
    connectMillis: options.connectMillis ?? 5_000,
    authenticateMillis: options.authenticateMillis ?? 10_000,
  };
  const { channel, session, port } = await connectTo(ticket, options, { ambient, enter, limits });
  try {
    enter('authorize');
    await requireAccepted(channel);
    return {
      server: `${ticket.server}`,
      port,
      enctype: session.enctype,
      clockOffsetMillis: Math.round(ticket.credential.clockOffsetMicros / 1000),
      millis: performance.now() - started,
    };
  } finally {
    await channel.close();
  }
}

/** A kpropd that accepts us waits for the size of the dump, and says nothing. */
async function requireAccepted(channel: Channel): Promise<void> {
  channel.during('waiting for a refusal', refusalMillis);
  let answer: Uint8Array;
  try {
    answer = await readFrame(channel, 'answer after the handshake', refusalLimitBytes);
  } catch (error) {
    if (isKpropError(error, 'network.timeout')) return;
    if (isKpropError(error, 'network.closed') || isKpropError(error, 'network.failed')) {
      const { peer } = error.detail;
      throw new KpropError('peer.hung-up', { peer }, { cause: error }).during('authorize');
    }
    throw error;
  }
  throw refusedBy(channel, answer).during('authorize');
}

/** MIT's kpropd looks into the ACL at once, and so does ours. */
const refusalMillis = 500;
const refusalLimitBytes = 64 * 1024;

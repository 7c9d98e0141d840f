import { inPhase, isKpropError, KpropError } from '../errors/kprop-error.ts';
import type { StreamChannel } from '../protocol/channel/stream-channel.ts';
import { applicationVersion } from '../protocol/kprop/dump.ts';
import { confirmDump, receiveDump } from '../protocol/kprop/receiver.ts';
import { sendFailure } from '../protocol/kprop/refusal.ts';
import { enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import { recvauth } from '../protocol/krb5/session/sendauth.ts';
import type { Session } from '../protocol/krb5/session/session.ts';
import { diagnosed } from './diagnosis.ts';
import type { ConnectionEvent } from './events.ts';
import type { Load } from './load/load.ts';
import type { Replica } from './replica.ts';

/** How long a refused peer's data is read and dropped, so that it can read the reason (see Channel). */
const lingerPermitted = { lingerMillis: 30_000, lingerBytes: 4 * 2 ** 30 };
/** Any principal of the realm can get this far, so this is enough for a small dump and no more. */
const lingerDenied = { lingerMillis: 5_000, lingerBytes: 16 * 2 ** 20 };
const lingerStranger = { lingerMillis: 1_000, lingerBytes: 64 * 1024 };

export interface ConnectionOptions {
  readonly replica: Replica;
  /** The socket's, for MIT's debug line; -1 if there is none. */
  readonly descriptor: number;
  /** Ends the load. The channel stays, so that the peer can be told why. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: ConnectionEvent) => void;
  /**
   * Called once, when the peer has proved that it may propagate. If it throws, the peer is refused
   * with that reason.
   */
  readonly onPermitted: (client: string) => void;
}

/**
 * One propagation, from the handshake to the confirmation. It never throws: a failure is an event, and
 * the peer is told of it if it has authenticated.
 */
export async function serveConnection(
  channel: StreamChannel,
  options: ConnectionOptions,
): Promise<void> {
  const { onEvent } = options;
  let session: Session | undefined;
  let linger = lingerStranger;
  try {
    await receiveAndLoad(channel, options, (authenticated) => {
      session = authenticated;
      linger = lingerPermitted;
    });
  } catch (error) {
    if (isKpropError(error, 'auth.denied')) {
      linger = lingerDenied;
      onEvent({ kind: 'denied', client: error.detail.client });
    }
    if (isKpropError(error, 'server.busy')) linger = lingerDenied;
    onEvent({ kind: 'failed', error: diagnosed(error, options.replica) });
    if (session !== undefined && error instanceof KpropError) {
      // If the connection itself has failed, nobody can be told.
      await sendFailure(channel, session, 'server', error).catch(() => undefined);
    }
  } finally {
    await channel.close(linger);
    onEvent({ kind: 'closed' });
  }
}

async function receiveAndLoad(
  channel: StreamChannel,
  options: ConnectionOptions,
  onSession: (session: Session) => void,
): Promise<void> {
  const { replica, signal, onEvent, onPermitted } = options;
  const phase = stopwatch();
  const { session, client, enctype, arrival } = await authenticate(channel, options);
  const handshake = phase();
  onSession(session);
  onEvent({ kind: 'authenticated', client: `${client}`, enctype: enctypeName(enctype) });
  await inPhase('authorize', undefined, () => replica.acl().require(client, enctype));
  await inPhase('authorize', undefined, () => onPermitted(`${client}`));
  const spool = await inPhase('spool', undefined, () => replica.spools.open());
  let load: Load | undefined;
  try {
    const dump = await receiveDump(channel, session, {
      idleMillis: replica.limits.idleMillis,
      maxBytes: replica.maxDumpBytes,
    });
    const { bytes } = dump;
    phase();
    onEvent({ kind: 'receiving', bytes });
    load = replica.loads.begin({ spool, bytes, arrival, signal, onEvent });
    interruptAtFailure(channel, load);
    await spool.fill(dump, load);
    onEvent({ kind: 'received', bytes });
    const receive = phase();
    const records = await load.commit();
    const millis = { authenticate: handshake, receive, load: phase() };
    onEvent({ kind: 'loaded', bytes, client: `${client}`, records, millis });
    await confirmDump(channel, session, bytes);
  } finally {
    await load?.abandon();
    await spool.close();
  }
}

/** Gives the whole milliseconds since it was made or last called. */
function stopwatch(): () => number {
  let since = performance.now();
  return () => {
    const now = performance.now();
    const millis = Math.round(now - since);
    since = now;
    return millis;
  };
}

/** The sender may pause for a long time, and must be told the reason before it goes on. */
function interruptAtFailure(channel: StreamChannel, { failed }: Load): void {
  const interruption = new KpropError('aborted', { reason: 'the load failed' });
  failed.addEventListener('abort', () => channel.interrupt(interruption), { once: true });
}

async function authenticate(
  channel: StreamChannel,
  { replica, onEvent, descriptor }: ConnectionOptions,
) {
  channel.during('authenticating', 0);
  onEvent({ kind: 'authenticating', service: `${replica.services[0]}`, descriptor });
  const { session, client, ticketEnctype, authenticatedMicros } = await inPhase(
    'authenticate',
    undefined,
    () =>
      recvauth(channel, {
        ...replica,
        application: applicationVersion,
        keytab: () => keytabOf(replica),
      }),
  );
  const arrival = replica.loads.arrive({
    client: `${client}`,
    authenticatedMicros,
    onTrouble: (error) => onEvent({ kind: 'notice', text: noticeOf(error) }),
  });
  return { session, client, enctype: ticketEnctype, arrival };
}

/** libkrb5 reports a keytab that cannot be opened as a missing key (rd_req_dec.c, keytab_fetch_error). */
function keytabOf(replica: Replica): Keytab {
  try {
    return replica.keytab();
  } catch (cause) {
    if (!isKpropError(cause, 'keytab.missing')) throw cause;
    throw new KpropError('auth.no-keytab', cause.detail, { cause });
  }
}

function noticeOf(error: unknown): string {
  if (error instanceof KpropError) return `${error.message}: ${error.remedy}`;
  return error instanceof Error ? error.message : `${error}`;
}

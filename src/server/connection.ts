import { inPhase, isKpropError, KpropError } from '../errors/kprop-error.ts';
import { checkDump } from '../kdb/dump/completeness.ts';
import type { Ambient } from '../protocol/ambient.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import { applicationVersion } from '../protocol/kprop/dump.ts';
import { confirmDump, receiveDump } from '../protocol/kprop/receiver.ts';
import { sendFailure } from '../protocol/kprop/refusal.ts';
import { enctypeName } from '../protocol/krb5/crypto/profiles.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import type { Principal } from '../protocol/krb5/messages/principal.ts';
import type { ReplayCache } from '../protocol/krb5/session/replay.ts';
import { recvauth } from '../protocol/krb5/session/sendauth.ts';
import type { Session } from '../protocol/krb5/session/session.ts';
import type { Acl } from './acl.ts';
import type { LoadGuard } from './load/load-guard.ts';
import type { LoadRun } from './load/loader.ts';
import type { Loads } from './load/loads.ts';
import type { LoadOrder } from './load/order.ts';
import type { StreamedLoad, StreamedLoadOptions } from './load/streamed-load.ts';
import { receiveInto } from './reception.ts';
import type { SpoolRoom } from './spool/spool.ts';

/** What happened on a connection, in the order in which it happens. */
export type ConnectionEvent =
  | { readonly kind: 'connected'; readonly address: string }
  | { readonly kind: 'authenticating'; readonly service: string; readonly descriptor: number }
  | { readonly kind: 'authenticated'; readonly client: string; readonly enctype: string }
  | { readonly kind: 'denied'; readonly client: string }
  | { readonly kind: 'receiving'; readonly bytes: number }
  /** The loader runs already, and is given what has arrived. */
  | { readonly kind: 'streaming'; readonly pid: number }
  | { readonly kind: 'received'; readonly bytes: number }
  | { readonly kind: 'loading'; readonly path: string }
  | { readonly kind: 'loader-started'; readonly pid: number }
  | { readonly kind: 'loader-output'; readonly text: string; readonly to: 'stdout' | 'stderr' }
  | { readonly kind: 'loaded'; readonly bytes: number; readonly client: string }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Something that this replica's administrator should know, and that stops no propagation. */
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'closed' };

/** What all connections of one server share. */
export interface Replica {
  readonly services: readonly [Principal, ...Principal[]];
  readonly anyHost: boolean;
  readonly permittedEnctypes: readonly number[];
  readonly clockSkewSeconds: number;
  readonly replay: ReplayCache;
  readonly ambient: Ambient;
  /** Read anew for every connection, as MIT does: no restart after ktadd or an edit. */
  keytab(): Keytab;
  acl(): Acl;
  load(path: string, run: LoadRun): Promise<void>;
  readonly guard: LoadGuard;
  /** How a dump of so many bytes or more is loaded while it arrives, if it may be. */
  readonly streaming: Streaming | undefined;
  readonly spools: SpoolRoom;
  readonly loads: Loads;
  readonly order: LoadOrder;
  readonly limits: ServeLimits;
  /** A dump that is larger is refused before the first of it comes. */
  readonly maxDumpBytes: number | undefined;
}

export interface Streaming {
  readonly fromBytes: number;
  start(run: Omit<StreamedLoadOptions, 'loader' | 'guard'>): StreamedLoad;
}

/** Milliseconds; 0 is without a limit. */
export interface ServeLimits {
  /** From accept until the AP-REQ is checked. */
  readonly authenticate: number;
  /** How long nothing may arrive while the dump is received. */
  readonly idle: number;
  /** From accept to the confirmation, load included (iprop_resync_timeout, kdc.conf(5)). */
  readonly total: number;
  /** The idle limit of those that still send when the server shall end. */
  readonly stall: number;
}

/** A refused peer's data is read and dropped for a while, so that it reads why (see Channel). */
const lingerPermitted = { lingerMillis: 30_000, lingerBytes: 4 * 2 ** 30 };
/** Any principal of the realm can get this far: enough for the dump of a small site, no more. */
const lingerDenied = { lingerMillis: 5_000, lingerBytes: 16 * 2 ** 20 };
const lingerStranger = { lingerMillis: 1_000, lingerBytes: 64 * 1024 };

export interface ConnectionOptions {
  readonly replica: Replica;
  /** Of the socket, for MIT's debug line; -1 where there is none. */
  readonly descriptor: number;
  /** Ends the load; whoever aborts it ends the channel, too, if nobody shall be told. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: ConnectionEvent) => void;
  /**
   * Called once, when the peer has proved that it may propagate: it is no stranger any more. What
   * this throws is the reason why it is refused nevertheless.
   */
  readonly onPermitted: (client: string) => void;
}

/**
 * One propagation, from the hand-shake to the confirmation. It never throws: what goes wrong is an
 * event, and the peer is told if it has proved who it is.
 */
export async function serveConnection(channel: Channel, options: ConnectionOptions): Promise<void> {
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
    onEvent({ kind: 'failed', error });
    if (session !== undefined && error instanceof KpropError) {
      // The connection itself may be what failed: then nobody is there to be told.
      await sendFailure(channel, session, 'server', error).catch(() => undefined);
    }
  } finally {
    await channel.finish(linger);
    onEvent({ kind: 'closed' });
  }
}

async function receiveAndLoad(
  channel: Channel,
  { replica, signal, onEvent, onPermitted, descriptor }: ConnectionOptions,
  onSession: (session: Session) => void,
): Promise<void> {
  const { limits } = replica;
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
  onSession(session);
  const arrival = replica.order.arrive({
    client: `${client}`,
    authenticatedMicros,
    onTrouble: (error) => onEvent({ kind: 'notice', text: noticeOf(error) }),
  });
  onEvent({ kind: 'authenticated', client: `${client}`, enctype: enctypeName(ticketEnctype) });
  await inPhase('authorize', undefined, () => replica.acl().require(client, ticketEnctype));
  await inPhase('authorize', undefined, () => onPermitted(`${client}`));

  const spool = await inPhase('spool', undefined, () => replica.spools.open());
  let streamed: StreamedLoad | undefined;
  try {
    const dump = await receiveDump(channel, session, {
      idleMillis: limits.idle,
      maxBytes: replica.maxDumpBytes,
    });
    onEvent({ kind: 'receiving', bytes: dump.bytes });
    const onOutput: LoadRun['onOutput'] = (text, to) =>
      onEvent({ kind: 'loader-output', text, to });
    let pid = 0;
    streamed = await receiveInto(spool, dump, channel, (kind, onFailure) => {
      const { streaming, loads } = replica;
      if (streaming === undefined || kind !== 'plain' || dump.bytes < streaming.fromBytes) return;
      const onStart = (started: number) => {
        pid = started;
        onEvent({ kind: 'streaming', pid });
      };
      const run = { spool: spool.temporary, signal, onStart, onOutput, onFailure };
      return loads.stream(() => streaming.start(run));
    });
    onEvent({ kind: 'received', bytes: dump.bytes });
    const load = async () => {
      const onWait = async () => streamed?.abandon();
      await inPhase('load', undefined, () => replica.guard.enter({ signal, onWait }));
      try {
        await loadAlone();
      } finally {
        await replica.guard.leave();
      }
    };
    const loadAlone = async () => {
      // Time may have run out while others loaded.
      await inPhase('load', undefined, () => signal.throwIfAborted());
      await replica.order.requireNewest(arrival);
      const kind = await inPhase('load', undefined, () => checkDump(spool.temporary));
      // While a load has not failed yet, the dump takes the place of the one before, as MIT's does.
      streamed?.throwIfFailed();
      await spool.publish();
      onEvent({ kind: 'loading', path: spool.path });
      const onStart = (started: number) => onEvent({ kind: 'loader-started', pid: started });
      await inPhase('load', undefined, async () => {
        if (streamed?.underWay) onStart(pid);
        if (await streamed?.finish(dump.bytes, spool.path)) return;
        await replica.load(spool.path, { kind, signal, onStart, onOutput });
      });
      await replica.order.noteLoaded(arrival, dump.bytes);
    };
    await replica.loads.take(load, streamed);
    onEvent({ kind: 'loaded', bytes: dump.bytes, client: `${client}` });
    await confirmDump(channel, session, dump.bytes);
  } finally {
    await streamed?.abandon();
    await spool.close();
  }
}

/** One that cannot be opened lacks the key, in the words of libkrb5 (rd_req_dec.c, keytab_fetch_error). */
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

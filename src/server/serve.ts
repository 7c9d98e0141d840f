import type { Socket } from 'node:net';

import { requireOption } from '../errors/require-option.ts';
import { tell } from '../host/tell.ts';
import { ConnectionRegistry } from './listen/connections.ts';
import { Listeners } from './listen/listeners.ts';
import { readInto } from './listen/read-into.ts';
import type { ServeOptions, ServerEvent } from './options.ts';
import { Resyncs, startPoller } from './poll/start-poller.ts';
import { describeReplica, type Replica } from './replica.ts';
import { FullStatusNotes } from './status/full-status-notes.ts';
import { StatusFile } from './status/status-file.ts';

export type { ServeOptions, ServerEvent };

/** A server that listens. `await using` closes it at the end of the block. */
export interface KpropServer extends AsyncDisposable {
  /** Polls the primary now (SIGUSR1 of kpropd), if this replica follows one. */
  pollNow(): void;
  /** Where it listens, such as "[::]:754"; the first address if there are several. */
  readonly address: string;
  /** All addresses. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** host/<this host>@REALM, the name that primaries ask for. */
  readonly service: string;
  /**
   * Stops listening, and drops strangers and stalled primaries. Resolves when the propagations under
   * way are done; with `abort` they are dropped as well.
   */
  close(o?: { readonly abort?: boolean }): Promise<void>;
}

/** Runs a replica: listens, and loads what its primary sends. @throws config.*, server.listen */
export async function serveKprop(options: ServeOptions): Promise<KpropServer> {
  requireServeOptions('serveKprop()', options);
  const replica = await describeReplica(options);
  const status = statusFile(replica, options);
  const full = new FullStatusNotes(status, replica.ambient);
  const resyncs = new Resyncs((resync) => poller?.resyncEnded(resync));
  const connections = new ConnectionRegistry(replica, {
    ...options,
    onEvent: (event) => {
      tell(options.onEvent, event);
      resyncs.note(event);
      full.event(event);
    },
  });
  const listeners = await Listeners.open(
    options,
    (socket, all) => {
      // No other connection is accepted within this call.
      if (options.once) all.close();
      connections.accept(socket, (target) => readInto(socket, target));
    },
    (error) => tell(options.onEvent, { kind: 'failed', error, connection: 0 }),
  );
  connections.watchAcl();
  await sweep(replica, options);
  const poller = startPoller(replica, options, { resyncs, status });
  const close: KpropServer['close'] = async ({ abort = false } = {}) => {
    const closed = listeners.close();
    connections.end(abort ? 'all' : 'unhurried');
    await Promise.all([connections.idle(), poller?.close(), closed]);
    await status.settled();
  };
  return {
    pollNow: () => poller?.pollNow(),
    address: listeners.addresses[0] ?? '',
    addresses: listeners.addresses,
    port: listeners.port,
    service: replica.services[0].toString(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/**
 * Serves the connection that inetd handed over, and resolves when it is done. The signal drops it, with
 * its load, at once.
 */
export async function serveSocket(
  socket: Socket,
  options: ServeOptions,
  signal?: AbortSignal,
): Promise<void> {
  requireServeOptions('serveSocket()', options);
  // Without a listener, a reset at this stage would end the process.
  socket.on('error', () => undefined);
  // The listener has these as options.
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  const replica = await describeReplica(options);
  const status = statusFile(replica, options);
  const full = new FullStatusNotes(status, replica.ambient);
  const connections = new ConnectionRegistry(replica, {
    ...options,
    onEvent: (event) => {
      tell(options.onEvent, event);
      full.event(event);
    },
  });
  await replica.loads.recover();
  connections.accept(socket);
  const abort = () => connections.end('all');
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  await connections.idle();
  await status.settled();
}

function statusFile({ ambient }: Replica, options: ServeOptions): StatusFile {
  const path = `${options.file}.status`;
  return new StatusFile({
    path,
    ambient,
    onTrouble: (error) => {
      const text = `cannot write ${path}: ${error instanceof Error ? error.message : error}`;
      tell(options.onEvent, { kind: 'notice', text, connection: 0 });
    },
  });
}

/** Removes what a killed predecessor left beside the dump, and repairs its database. */
async function sweep(replica: Replica, options: ServeOptions): Promise<void> {
  await replica.spools.sweep();
  const complaint = await replica.spools.complaint();
  if (complaint !== undefined)
    tell(options.onEvent, { kind: 'notice', text: complaint, connection: 0 });
  await replica.loads.inspect();
}

/** For callers without types. @throws caller.option */
function requireServeOptions(call: string, { acl, file, loader }: ServeOptions): void {
  for (const [option, value] of Object.entries({ acl, file })) {
    const isRight = typeof value === 'string' && value !== '';
    requireOption(isRight, { call, option, reason: 'must be a path' });
  }
  requireOption(typeof loader === 'function' || typeof loader?.path === 'string', {
    ...{ call, option: 'loader', reason: 'must be { path, environment }, or a function' },
  });
}

import type { Socket } from 'node:net';

import { readingInto } from './adopt.ts';
import type { Replica } from './connection.ts';
import { ConnectionRegistry } from './listen/connections.ts';
import { Listeners } from './listen/listeners.ts';
import { type ServeOptions, type ServerEvent, tell } from './options.ts';
import { describeReplica } from './replica.ts';

export type { ServeOptions, ServerEvent };

export interface KpropServer {
  /** Where it listens: "[::]:754". The first one, if there are several. */
  readonly address: string;
  /** All of them. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** host/<this host>@REALM, the name that primaries ask for. */
  readonly service: string;
  /**
   * Listens no more, and drops strangers and primaries that have stalled; resolves when the
   * propagations under way are done, or at once if aborted.
   */
  close(o?: { readonly abort?: boolean }): Promise<void>;
}

/** A replica: listens, and loads what its primary sends. @throws config.*, server.listen */
export async function serveKprop(options: ServeOptions): Promise<KpropServer> {
  const replica = await describeReplica(options);
  const connections = new ConnectionRegistry(replica, options);
  const listeners = await Listeners.open(
    options,
    (socket, all) => {
      // Within this call nothing else is accepted.
      if (options.once) all.close();
      connections.accept(socket, (intake) => readingInto(socket, intake));
    },
    (error) => tell(options, { kind: 'failed', error, connection: 0 }),
  );
  connections.watchAcl();
  await sweep(replica, options);
  return {
    address: listeners.addresses[0] ?? '',
    addresses: listeners.addresses,
    port: listeners.port,
    service: replica.services[0].toString(),
    close: async ({ abort = false } = {}) => {
      const closed = listeners.close();
      connections.end(abort ? 'all' : 'unhurried');
      await connections.idle();
      await closed;
    },
  };
}

/**
 * Serves the one connection that inetd handed over, and resolves when it is done. The signal ends
 * it, with its load, at once.
 */
export async function serveSocket(
  socket: Socket,
  options: ServeOptions,
  signal?: AbortSignal,
): Promise<void> {
  // A reset before anybody else listens would end the process.
  socket.on('error', () => undefined);
  // As the listener does it, for which these are options.
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  const replica = await describeReplica(options);
  const connections = new ConnectionRegistry(replica, options);
  await replica.guard.recover();
  connections.accept(socket);
  const abort = () => connections.end('all');
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  await connections.idle();
}

/** Removes what a killed predecessor left beside the dump, and puts right its database. */
async function sweep(replica: Replica, options: ServeOptions): Promise<void> {
  await replica.spools.sweep();
  const complaint = await replica.spools.complaint();
  if (complaint !== undefined) tell(options, { kind: 'notice', text: complaint, connection: 0 });
  await replica.guard.inspect();
}

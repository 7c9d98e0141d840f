import type { Socket } from 'node:net';

import { KpropError } from '../../errors/kprop-error.ts';
import { descriptorOf } from '../../host/socket.ts';
import {
  channelOver,
  type ReadTarget,
  type StreamChannel,
} from '../../protocol/channel/stream-channel.ts';
import { directionalAddress, hostAddressOf } from '../../protocol/krb5/messages/address.ts';
import { serveConnection } from '../connection.ts';
import type { ConnectionEvent } from '../events.ts';
import type { ServerEvent } from '../options.ts';
import type { Replica } from '../replica.ts';
import { timeoutAfter } from '../timeout-after.ts';

/** One connection that is being served. */
export interface Served {
  /** Drops the connection, with its load. */
  readonly control: AbortController;
  readonly channel: StreamChannel;
  /** Resolves when the connection is over; never rejects. */
  readonly done: Promise<void>;
}

export interface ServingOptions {
  /** May replace the socket by one that reads into the target. */
  readonly open: (target: ReadTarget) => Socket;
  readonly replica: Replica;
  /** Its number. */
  readonly connection: number;
  readonly control: AbortController;
  readonly tell: (event: ServerEvent) => void;
  /** The client may propagate; gives what is to be called when it is done. @throws server.busy */
  readonly permit: (client: string) => () => void;
}

/** Serves a connection within the time limits of the replica. */
export function startServing(socket: Socket, o: ServingOptions): Served {
  const { replica, connection, control } = o;
  const { authenticateMillis, totalMillis } = replica.limits;
  const address = socket.remoteAddress ?? 'unknown address';
  const peer = `${address} port ${socket.remotePort ?? 0}`;
  // Ends the load but not the connection, so that the primary can be told why.
  const load = new AbortController();
  let received = false;
  const onEvent = (event: ConnectionEvent) => {
    received ||= event.kind === 'received';
    o.tell({ ...event, connection });
  };
  // For the whole handshake: a stranger may send a byte now and then for ever.
  const strangerTimer = timeoutAfter(authenticateMillis, () => {
    const detail = { peer, while: 'authenticating', millis: authenticateMillis };
    control.abort(new KpropError('network.timeout', detail));
  });
  const totalTimer = timeoutAfter(totalMillis, () => {
    const error = new KpropError('server.timeout', { millis: totalMillis });
    load.abort(error);
    if (!received) control.abort(error);
  });
  onEvent({ kind: 'connected', address });
  // A socket that was closed before this call emits no event of it any more.
  if (socket.destroyed) {
    control.abort(new KpropError('network.closed', { peer, while: 'authenticating' }));
  }
  const descriptor = descriptorOf(socket);
  const channel = channelOver(o.open, {
    local: hostAddressOf(socket.localAddress ?? '') ?? directionalAddress('server'),
    remote: hostAddressOf(address) ?? directionalAddress('client'),
    peer,
    signal: control.signal,
  });
  let leave: () => void = () => undefined;
  const done = serveConnection(channel, {
    replica,
    descriptor,
    signal: AbortSignal.any([control.signal, load.signal]),
    onEvent,
    onPermitted: (client) => {
      leave = o.permit(client);
      clearTimeout(strangerTimer);
    },
  }).finally(() => {
    clearTimeout(strangerTimer);
    clearTimeout(totalTimer);
    leave();
  });
  return { control, channel, done };
}

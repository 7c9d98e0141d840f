import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

import { readFrame, writeFrame } from '../protocol/channel/frame.ts';
import { channelOver } from '../protocol/channel/stream-channel.ts';
import { directionalAddress, hostAddressOf } from '../protocol/krb5/messages/address.ts';
import type { KdcAddress } from './locate-kdc.ts';

/** One request to one address over one transport, and what comes back. */
export interface KdcExchange {
  /** Sends the request once more, where the transport may have lost it. */
  resend(): void;
  close(): void;
}

export interface KdcExchangeEvents {
  /** A TCP connection is made: the KDC is there. */
  connected(): void;
  /** By UDP it may come more than once. */
  reply(bytes: Uint8Array): void;
  failed(): void;
}

const replyLimitBytes = 1 << 20;

/** The socket is connected: so the kernel reports ICMP errors, and drops datagrams of other senders. */
export function exchangeByUdp(
  to: KdcAddress,
  port: number,
  request: Uint8Array,
  on: KdcExchangeEvents,
): KdcExchange {
  const socket = createSocket(to.family === 6 ? 'udp6' : 'udp4');
  let state: 'connecting' | 'connected' | 'closed' = 'connecting';
  const send = () => {
    if (state === 'connected') socket.send(request);
  };
  socket.on('connect', () => {
    if (state === 'connecting') state = 'connected';
    send();
  });
  socket.on('message', (datagram) => on.reply(new Uint8Array(datagram)));
  socket.on('error', on.failed);
  socket.connect(port, to.address);
  const close = () => {
    if (state !== 'closed') socket.close();
    state = 'closed';
  };
  return { resend: send, close };
}

/** Over TCP each message has its length in front, in 4 bytes (RFC 4120 §7.2.2). */
export function exchangeByTcp(
  to: KdcAddress,
  port: number,
  request: Uint8Array,
  on: KdcExchangeEvents,
): KdcExchange {
  const socket = connect({ host: to.address, port });
  socket.once('connect', on.connected);
  const channel = channelOver(socket, {
    local: directionalAddress('client'),
    remote: hostAddressOf(to.address) ?? directionalAddress('server'),
    peer: `${to.address} port ${port}`,
  });
  const converse = async () => {
    await writeFrame(channel, request);
    return await readFrame(channel, 'reply of the KDC', replyLimitBytes);
  };
  converse().then(on.reply, on.failed);
  return { resend: () => undefined, close: () => void channel.close() };
}

import { lookup } from 'node:dns/promises';
import { Socket } from 'node:net';

import { errnoOf } from '../errors/com-err.ts';
import { abortError, KpropError } from '../errors/kprop-error.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import { channelOver } from '../protocol/channel/stream-channel.ts';
import { directionalAddress, hostAddressOf } from '../protocol/krb5/messages/address.ts';
import { untilAborted } from './until-aborted.ts';

export interface DialOptions {
  /** How long to wait for each address; 0: as long as the kernel does. */
  readonly connectMillis: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * After this time without a packet the kernel probes the connection: a replica that lost its power
 * while it loaded would otherwise be waited for until the limit of the confirmation.
 */
const keepAliveMillis = 60_000;

/**
 * A connection to the first of the host's addresses that accepts one, in the resolver's order.
 * The caller closes it. @throws network.unresolved, network.unreachable, aborted
 */
export async function dial(host: string, port: number, options: DialOptions): Promise<Channel> {
  const unresolved = (reason: string, cause?: unknown) =>
    new KpropError('network.unresolved', { host, reason }, { cause });
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw unresolved('EAI_SERVICE');
  // For an empty name Node's look-up gives no address and writes a warning to stderr.
  if (host === '') throw unresolved('ENOTFOUND');
  const addresses = await untilAborted(options.signal, () =>
    lookup(host, { all: true, order: 'verbatim' }).catch((cause: unknown) => {
      throw unresolved(errnoOf(cause), cause);
    }),
  );
  let failure: unknown;
  for (const { address } of addresses) {
    try {
      const socket = await connect(address, port, options);
      return channelOver(socket, {
        local: hostAddressOf(socket.localAddress ?? '') ?? directionalAddress('client'),
        remote: hostAddressOf(address) ?? directionalAddress('server'),
        peer: `${host} port ${port}`,
        signal: options.signal,
      });
    } catch (error) {
      if (error instanceof KpropError) throw error;
      failure = error;
    }
  }
  const detail = { host, port, errno: errnoOf(failure) };
  throw new KpropError('network.unreachable', detail, { cause: failure });
}

function connect(address: string, port: number, options: DialOptions): Promise<Socket> {
  const { connectMillis, signal } = options;
  return new Promise((resolve, reject) => {
    const socket = new Socket({ allowHalfOpen: true });
    const timer =
      connectMillis > 0
        ? setTimeout(
            () => give(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })),
            connectMillis,
          )
        : undefined;
    const onAbort = () => give(abortError(signal?.reason));
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', give);
    };
    function give(error: Error): void {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    }
    socket.once('error', give);
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.connect({ host: address, port }, () => {
      settle();
      // Without this, a short block after the size would wait up to 40 ms for the acknowledgement of
      // the size. Node has an option for it, too, but not for a socket made as this one is.
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAliveMillis);
      resolve(socket);
    });
  });
}

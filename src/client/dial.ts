import { lookup } from 'node:dns/promises';
import { Socket } from 'node:net';

import { errnoOf } from '../errors/com-err.ts';
import { abortError, KpropError } from '../errors/kprop-error.ts';
import type { Channel } from '../protocol/channel/channel.ts';
import { channelOver } from '../protocol/channel/stream-channel.ts';
import { directionalAddress, hostAddressOf } from '../protocol/krb5/messages/address.ts';
import { untilAborted } from '../ticket/until-aborted.ts';

export interface DialOptions {
  /** Time for each address; 0 leaves it to the kernel. */
  readonly connectMillis: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A replica that loses its power while it loads says nothing more, and that wait has no limit of
 * its own: after so long without a word the kernel asks whether anybody is there.
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
  // Node takes an empty name for a host without addresses, and warns on stderr.
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
      // A size and a short block, one after the other: the second would wait 40 ms until the first is
      // acknowledged. Node takes this as an option, too, but not here.
      socket.setNoDelay(true);
      socket.setKeepAlive(true, keepAliveMillis);
      resolve(socket);
    });
  });
}

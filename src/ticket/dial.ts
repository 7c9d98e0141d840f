import { lookup } from 'node:dns/promises';
import { Socket } from 'node:net';

import { errnoOf } from '../errors/com-err.ts';
import { abortError, KpropError } from '../errors/kprop-error.ts';
import { acknowledgeAtOnce } from '../host/socket.ts';
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
 * While an address does not answer, the next one is tried after this time as well (RFC 8305 §5): a dead
 * IPv6 address costs a quarter of a second, not the two minutes after which the kernel gives up.
 */
const nextAddressMillis = 250;

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
  const found = await untilAborted(options.signal, () =>
    lookup(host, { all: true, order: 'verbatim' }).catch((cause: unknown) => {
      throw unresolved(errnoOf(cause), cause);
    }),
  );
  const addresses = found.map(({ address }) => address);
  try {
    const { socket, address } = await race(addresses, port, options);
    const channel = channelOver(socket, {
      local: hostAddressOf(socket.localAddress ?? '') ?? directionalAddress('client'),
      remote: hostAddressOf(address) ?? directionalAddress('server'),
      peer: `${host} port ${port}`,
      signal: options.signal,
    });
    acknowledgeAtOnce(socket);
    return channel;
  } catch (failure) {
    if (failure instanceof KpropError) throw failure;
    const detail = { host, port, errno: errnoOf(failure) };
    throw new KpropError('network.unreachable', detail, { cause: failure });
  }
}

interface Reached {
  readonly socket: Socket;
  readonly address: string;
}

/**
 * The first connection that is made. An address is tried when the one before it has failed, or has not
 * answered for a moment. @throws the failure of the last address, as MIT's kprop reports it; aborted
 */
async function race(
  addresses: readonly string[],
  port: number,
  options: DialOptions,
): Promise<Reached> {
  const end = new AbortController();
  const signals = [end.signal, ...(options.signal === undefined ? [] : [options.signal])];
  const one = { ...options, signal: AbortSignal.any(signals) };
  const attempts: Promise<Reached>[] = [];
  try {
    for (const [at, address] of addresses.entries()) {
      const attempt = connect(address, port, one).then((socket) => ({ socket, address }));
      attempts.push(attempt);
      if (at === addresses.length - 1) break;
      const reached = await firstWithin([...attempts], attempt);
      if (reached !== undefined) return reached;
      if (options.signal?.aborted) break;
    }
    return await Promise.any(attempts).catch(
      async () => await (attempts.at(-1) as (typeof attempts)[0]),
    );
  } finally {
    end.abort();
    // Those that lose have nobody to report to.
    for (const attempt of attempts) attempt.catch(() => undefined);
  }
}

/** The connection that one of the attempts makes until the last one has failed or some time is over. */
async function firstWithin(
  attempts: readonly Promise<Reached>[],
  last: Promise<Reached>,
): Promise<Reached | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, nextAddressMillis, undefined);
  });
  const failed = last.then(
    () => new Promise<never>(() => undefined),
    () => undefined,
  );
  const made = Promise.any(attempts).catch(() => undefined);
  try {
    return await Promise.race([made, failed, late]);
  } finally {
    clearTimeout(timer);
  }
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

import { createServer, type Server, type Socket } from 'node:net';
import { propagationPort } from '../host/port.ts';
import { channelOver, type Intake } from '../protocol/channel.ts';
import { errnoOf } from '../protocol/com-err.ts';
import { KpropError } from '../protocol/errors.ts';
import { directionalAddress, hostAddressOf } from '../protocol/messages/address.ts';
import { descriptorOf, readingInto } from './adopt.ts';
import { after } from './after.ts';
import { type ConnectionEvent, type Replica, serveConnection } from './connection.ts';
import type { ServeOptions, ServerEvent } from './options.ts';
import { describeReplica } from './replica.ts';

export type { ServeOptions, ServerEvent };

export interface KpropServer {
  /** Where it listens: "[::]:754". */
  readonly address: string;
  readonly port: number;
  /** host/<this host>@REALM, the name that primaries ask for. */
  readonly service: string;
  /**
   * Listens no more and drops strangers; resolves when the propagations under way are done, or at
   * once if aborted.
   */
  close(o?: { readonly abort?: boolean }): Promise<void>;
}

const defaultMaxUnauthenticated = 64;
const acceptOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true, pauseOnConnect: true };

/** A replica: listens, and loads what its primary sends. @throws config.*, server.listen */
export async function serveKprop(options: ServeOptions): Promise<KpropServer> {
  const desk = await Desk.open(options);
  const server = createServer(acceptOptions, (socket) => {
    // Within this call nothing else is accepted.
    if (options.once) server.close();
    desk.take(socket, (intake) => readingInto(socket, intake));
  });
  const port = await listen(server, options);
  try {
    options.onListening?.();
  } catch (error) {
    server.close();
    throw error;
  }
  await desk.sweep();
  const { address } = server.address() as { address: string };
  return {
    address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    port,
    service: desk.service,
    close: async ({ abort = false } = {}) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      desk.abort(abort ? 'all' : 'strangers');
      await desk.idle();
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
  const desk = await Desk.open(options);
  await desk.recover();
  desk.take(socket);
  const abort = () => desk.abort('all');
  if (signal?.aborted) abort();
  else signal?.addEventListener('abort', abort, { once: true });
  await desk.idle();
}

/** Where connections come in: it counts them, limits strangers, and ends them all when told. */
class Desk {
  readonly #replica: Replica;
  readonly #options: ServeOptions;
  readonly #maxUnauthenticated: number;
  /** Strangers, oldest first. */
  readonly #strangers = new Set<AbortController>();
  readonly #running = new Map<AbortController, Promise<void>>();
  #count = 0;

  private constructor(replica: Replica, options: ServeOptions) {
    this.#replica = replica;
    this.#options = options;
    this.#maxUnauthenticated = options.maxUnauthenticated ?? defaultMaxUnauthenticated;
  }

  static async open(options: ServeOptions): Promise<Desk> {
    return new Desk(await describeReplica(options), options);
  }

  get service(): string {
    return this.#replica.services[0].toString();
  }

  /** Serves a socket; `open` may replace it by one that reads into the intake. */
  take(socket: Socket, open: (intake: Intake) => Socket = () => socket): void {
    this.#count += 1;
    const connection = this.#count;
    const control = new AbortController();
    // Ends a load, and leaves the connection: its primary is there, and is told.
    const load = new AbortController();
    let received = false;
    const onEvent = (event: ConnectionEvent) => {
      received ||= event.kind === 'received';
      tell(this.#options, { ...event, connection });
    };
    const address = socket.remoteAddress ?? 'unknown address';
    const peer = `${address} port ${socket.remotePort ?? 0}`;
    const { authenticate, total } = this.#replica.limits;
    // From the first byte to the last of the hand-shake: who sends a byte now and then is a stranger, too.
    const strangerTimer = after(authenticate, () => {
      const detail = { peer, while: 'authenticating', millis: authenticate };
      control.abort(new KpropError('network.timeout', detail));
    });
    const timer = after(total, () => {
      const error = new KpropError('server.timeout', { millis: total });
      load.abort(error);
      if (!received) control.abort(error);
    });
    this.#strangers.add(control);
    if (this.#strangers.size > this.#maxUnauthenticated) this.#dropOldestStranger();

    onEvent({ kind: 'connected', address });
    // It went away before this call, and will not say so again.
    if (socket.destroyed) {
      control.abort(new KpropError('network.closed', { peer, while: 'authenticating' }));
    }
    const descriptor = descriptorOf(socket);
    const channel = channelOver(open, {
      local: hostAddressOf(socket.localAddress ?? '') ?? directionalAddress('server'),
      remote: hostAddressOf(address) ?? directionalAddress('client'),
      peer,
      signal: control.signal,
    });
    const served = serveConnection(channel, {
      replica: this.#replica,
      descriptor,
      signal: AbortSignal.any([control.signal, load.signal]),
      onEvent,
      onPermitted: () => {
        clearTimeout(strangerTimer);
        this.#strangers.delete(control);
      },
    }).finally(() => {
      clearTimeout(strangerTimer);
      clearTimeout(timer);
      this.#strangers.delete(control);
      this.#running.delete(control);
    });
    this.#running.set(control, served);
  }

  /** Removes what a killed predecessor left beside the dump, and puts right its database. */
  async sweep(): Promise<void> {
    await this.#replica.spools.sweep();
    await this.recover();
  }

  recover(): Promise<void> {
    return this.#replica.guard.recover();
  }

  abort(whom: 'strangers' | 'all'): void {
    for (const control of whom === 'all' ? this.#running.keys() : this.#strangers) {
      control.abort(new KpropError('aborted', { reason: 'the server is shutting down' }));
    }
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  #dropOldestStranger(): void {
    const [oldest] = this.#strangers;
    if (oldest === undefined) return;
    this.#strangers.delete(oldest);
    oldest.abort(
      new KpropError('aborted', { reason: 'too many connections that did not authenticate' }),
    );
  }
}

/** A listener's bug must not stop a propagation; yet it must be seen. */
function tell({ onEvent }: ServeOptions, event: ServerEvent): void {
  try {
    onEvent?.(event);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}

/** Starts to listen and gives the port. @throws server.listen */
function listen(server: Server, options: ServeOptions): Promise<number> {
  const port = propagationPort('the listener', options.port);
  const { address, descriptor } = options;
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) => {
      const place = `${address ?? 'all addresses'} port ${port}`;
      const detail = { address: place, errno: errnoOf(cause) };
      const error = new KpropError('server.listen', detail, { cause });
      // Once it listens it is accept that fails, for want of descriptors: not fatal.
      if (!server.listening) reject(error.during('connect', 'while binding listener socket'));
      else {
        error.during('connect', 'while accepting connection');
        tell(options, { kind: 'failed', error, connection: 0 });
      }
    };
    server.on('error', failed);
    const listening = () => resolve((server.address() as { port: number }).port);
    if (descriptor !== undefined) server.listen({ fd: descriptor }, listening);
    else server.listen({ port, ...(address !== undefined && { host: address }) }, listening);
  });
}

import { createServer, type Server, type Socket } from 'node:net';
import { loadKrb5Config } from '../host/config-files.ts';
import { defaultKeytabName, readKeytab } from '../host/keytab-file.ts';
import { requireLibc } from '../host/libc.ts';
import { canonicalNames, localHostName } from '../host/names.ts';
import { propagationPort } from '../host/port.ts';
import { type Ambient, systemAmbient } from '../protocol/ambient.ts';
import { channelOver, type Intake } from '../protocol/channel.ts';
import { errnoOf } from '../protocol/com-err.ts';
import { inPhase, KpropError } from '../protocol/errors.ts';
import type { Krb5Config } from '../protocol/formats/krb5-config.ts';
import { directionalAddress, hostAddressOf } from '../protocol/messages/address.ts';
import { nameTypes, Principal } from '../protocol/messages/principal.ts';
import { memoryReplayCache, type ReplayCache } from '../protocol/session/replay.ts';
import { Acl } from './acl.ts';
import { descriptorOf, readingInto } from './adopt.ts';
import { after } from './after.ts';
import {
  type ConnectionEvent,
  type Replica,
  type ServeLimits,
  serveConnection,
} from './connection.ts';
import { type LoadRun, loadDump } from './loader.ts';
import { SpoolRoom } from './spool.ts';
import { Turns } from './turn.ts';

export interface ServeOptions {
  /** A number or a service name; `krb5_prop` of the services database, else 754, unless given. */
  readonly port?: number | string | undefined;
  /** A descriptor that listens already (systemd's LISTEN_FDS), in place of port and address. */
  readonly descriptor?: number | undefined;
  /** The address to listen on; all of IPv6 and IPv4 unless given. */
  readonly address?: string | undefined;
  readonly realm?: string | undefined;
  /** krb5.conf and kdc.conf; only /etc/krb5.conf unless given. */
  readonly config?: Krb5Config | undefined;
  /** Keytab name as in KRB5_KTNAME; the configured one unless given. */
  readonly keytab?: string | undefined;
  /** Path of kpropd.acl. */
  readonly acl: string;
  /** Where the received dump ends up. */
  readonly file: string;
  /** How a dump becomes the database: kdb5_util, or a function that resolves when it is live. */
  readonly loader:
    | {
        readonly path: string;
        readonly database?: string | undefined;
        readonly environment: Readonly<Record<string, string | undefined>>;
      }
    | ((path: string, run: LoadRun) => Promise<void>);
  readonly limits?: Partial<ServeLimits> | undefined;
  /** Connections that have not proved that they may propagate; past so many, the oldest is dropped. */
  readonly maxUnauthenticated?: number | undefined;
  /** Serves the first connection and listens no more when it has come. */
  readonly once?: boolean | undefined;
  readonly replay?: ReplayCache | undefined;
  readonly ambient?: Ambient | undefined;
  /** What it throws becomes a warning of the process, and stops nothing. */
  readonly onEvent?: ((event: ServerEvent) => void) | undefined;
}

/** An event of one connection; `connection` counts from 1, and 0 is the listener's. */
export type ServerEvent = ConnectionEvent & { readonly connection: number };

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
  const desk = await Desk.open(options);
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

  /** Removes what a killed predecessor left beside the dump. */
  sweep(): Promise<void> {
    return this.#replica.spools.sweep();
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

async function describeReplica(options: ServeOptions): Promise<Replica> {
  // It locks the spool, at the first propagation.
  requireLibc();
  const config = options.config ?? loadKrb5Config({});
  const realm =
    options.realm ??
    (await inPhase('configuration', 'Unable to get default realm', () => config.defaultRealm));
  const names = await canonicalNames(localHostName(), config);
  const { loader } = options;
  return {
    services: names.map((name) => Principal.of(realm, ['host', name], nameTypes.srvHst)) as [
      Principal,
      ...Principal[],
    ],
    anyHost: config.ignoreAcceptorHostname,
    permittedEnctypes: config.permittedEnctypes,
    clockSkewSeconds: config.clockSkewSeconds,
    replay: options.replay ?? memoryReplayCache(config.clockSkewSeconds),
    ambient: options.ambient ?? systemAmbient(),
    keytab: () => readKeytab(options.keytab ?? defaultKeytabName(config)),
    acl: () => Acl.read(options.acl),
    load:
      typeof loader === 'function'
        ? loader
        : (path, run) => loadDump(path, { ...loader, realm }, run),
    spools: new SpoolRoom(options.file),
    loads: new Turns(),
    order: { authenticated: 0, loaded: 0 },
    limits: {
      authenticate: 10_000,
      idle: 0,
      total: config.ipropResyncTimeoutSeconds(realm) * 1000,
      ...options.limits,
    },
  };
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

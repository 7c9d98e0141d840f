import { createServer, isIPv4, type Server, type Socket } from 'node:net';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import { duplicate } from '../../host/libc.ts';
import { propagationPort } from '../../host/port.ts';
import { descriptorOf } from '../../host/socket.ts';
import type { ServeOptions } from '../options.ts';

const socketOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true, pauseOnConnect: true };
/** The kernel cuts it down to net.core.somaxconn: 4,096 since Linux 5.4. */
const backlog = 4096;
/**
 * Node accepts one connection of a listening descriptor in each iteration of its event loop, however
 * many wait (libuv 1.45, uv__server_io). While blocks arrive, an iteration takes milliseconds, and a
 * flood would overflow the backlog. So each listening socket has this many descriptors.
 */
const descriptorsOfEach = 8;
/** While descriptors are used up, accept fails all the time; it is reported this often. */
const repeatMillis = 10_000;

/** The listening sockets, on one address or on several. */
export class Listeners {
  readonly #servers: readonly Server[];
  /** "[::]:754", one for each. */
  readonly addresses: readonly string[];
  readonly port: number;

  private constructor(servers: readonly Server[]) {
    this.#servers = servers;
    const places = servers.map((server) => server.address() as { address: string; port: number });
    const names = places.map(({ address, port }) => {
      return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    });
    this.addresses = [...new Set(names)];
    this.port = places[0]?.port ?? 0;
  }

  /**
   * Listens where the options say. No connection is handed on before all addresses are bound and
   * `onListening` has returned. `onFailure` is called now and then while accept fails.
   * @throws server.listen, and what `onListening` throws
   */
  static async open(
    {
      port: given,
      address,
      descriptor,
      onListening,
    }: Pick<ServeOptions, 'port' | 'address' | 'descriptor' | 'onListening'>,
    onSocket: (socket: Socket, listeners: { close(): void }) => void,
    onFailure: (error: KpropError) => void,
  ): Promise<Listeners> {
    const servers: Server[] = [];
    /** Connections to one address that came before all addresses were bound. */
    const early: Socket[] = [];
    let accept = (socket: Socket): unknown => early.push(socket);
    const close = () => {
      for (const server of servers) server.close();
    };
    let port = propagationPort('the listener', given);
    const addresses = descriptor === undefined ? [address ?? []].flat() : [];
    // On Linux :: includes IPv4, unless an IPv4 address is listened on by itself.
    const ipv6Only = addresses.some((one) => isIPv4(one));
    try {
      for (const host of addresses.length > 0 ? addresses : [undefined]) {
        const server = createServer(socketOptions, (socket) => accept(socket));
        const where =
          descriptor !== undefined
            ? { fd: descriptor }
            : { port, ...(host !== undefined && { host, ipv6Only }) };
        const place = `${host ?? 'all addresses'} port ${port}`;
        await listen(server, where, place, onFailure);
        servers.push(server);
        for (let copies = 1; copies < descriptorsOfEach; copies += 1) {
          const copy = createServer(socketOptions, (socket) => accept(socket));
          await listen(copy, { fd: duplicate(descriptorOf(server)) }, place, onFailure);
          servers.push(copy);
        }
        // If any port will do, all addresses get the same one.
        port = (server.address() as { port: number }).port;
      }
      onListening?.();
    } catch (error) {
      close();
      for (const socket of early) socket.destroy();
      throw error;
    }
    accept = (socket) => onSocket(socket, { close });
    for (const socket of early) accept(socket);
    return new Listeners(servers);
  }

  /** Stops listening; resolves when the last connection has ended. */
  async close(): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    await Promise.all(closed);
  }
}

function listen(
  server: Server,
  where: { readonly fd: number } | { readonly port: number },
  place: string,
  onFailure: (error: KpropError) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let toldAtMillis = Number.NEGATIVE_INFINITY;
    server.on('error', (cause) => {
      const detail = { address: place, errno: errnoOf(cause) };
      const error = new KpropError('server.listen', detail, { cause });
      // After listening has begun, this is accept that fails for lack of descriptors, which passes.
      if (!server.listening) reject(error.during('connect', 'while binding listener socket'));
      else if (performance.now() - toldAtMillis >= repeatMillis) {
        toldAtMillis = performance.now();
        onFailure(error.during('connect', 'while accepting connection'));
      }
    });
    server.listen({ ...where, backlog }, resolve);
  });
}

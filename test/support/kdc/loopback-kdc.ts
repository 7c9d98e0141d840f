import { createSocket, type Socket as Datagrams, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

import { concat, textOf, utf8 } from '../../../src/protocol/bytes.ts';
import { type AskOptions, askKdc, type KdcResolver } from '../../../src/ticket/kdc.ts';

export const realm = 'EXAMPLE.ORG';
export const request = utf8('request');
export const secondMillis = 40;
/** Seconds of the schedule, as long as `secondMillis` makes them, that went by. */
export const secondsSince = (start: number) => (performance.now() - start) / secondMillis;

const cleanup: (() => void)[] = [];

/** Ends every server; for afterEach. */
export function closeServers(): void {
  for (const undo of cleanup.splice(0)) undo();
}

export interface Udp {
  readonly port: number;
  /** Arrival of each datagram. */
  readonly arrivals: number[];
  readonly requests: string[];
}

/** A UDP server that lets `answer` see each datagram. */
export async function udpServer(
  answer: (server: Datagrams, from: RemoteInfo, count: number) => void = () => {},
  o: { port?: number; family?: 4 | 6 } = {},
): Promise<Udp> {
  const server = createSocket(o.family === 6 ? 'udp6' : 'udp4');
  const arrivals: number[] = [];
  const requests: string[] = [];
  server.on('message', (datagram, from) => {
    arrivals.push(performance.now());
    requests.push(textOf(datagram));
    answer(server, from, arrivals.length);
  });
  server.bind(o.port ?? 0, o.family === 6 ? '::1' : '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(() => server.close());
  return { port: server.address().port, arrivals, requests };
}

export const says =
  (text: string, afterMillis = 0) =>
  (server: Datagrams, from: RemoteInfo) =>
    void setTimeout(() => server.send(text, from.port, from.address), afterMillis);

export interface Tcp {
  readonly port: number;
  readonly requests: Uint8Array[];
  /** Connections that are open now. */
  readonly open: Set<Socket>;
}

export async function tcpServer(
  answer: (socket: Socket, received: Uint8Array) => void,
  o: { port?: number } = {},
): Promise<Tcp> {
  const open = new Set<Socket>();
  const requests: Uint8Array[] = [];
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    socket.on('data', (data) => {
      requests.push(new Uint8Array(data));
      answer(socket, data);
    });
  });
  server.listen(o.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests, open };
}

export function framed(text: string, lengthBytes = utf8(text).length): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, lengthBytes);
  return concat(length, utf8(text));
}

/** A port on which nobody listens, neither by UDP nor by TCP. */
export async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export const resolver: KdcResolver = {
  addresses: async (host) => {
    if (host.includes(':')) return [{ address: host, family: 6 }];
    if (host.startsWith('127.')) return [{ address: host, family: 4 }];
    if (host === 'two.example') {
      return [
        { address: '127.0.0.2', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ];
    }
    return [];
  },
  srv: async () => [],
  uri: async () => [],
};

export function ask(
  kdcs: string[],
  o: Partial<AskOptions> & { limit?: number; timeout?: number } = {},
) {
  const config = {
    kdcs: () => kdcs,
    primaryKdcs: () => [],
    dnsLookupKdc: true,
    dnsUriLookup: true,
    udpPreferenceLimit: o.limit ?? 1465,
    requestTimeoutSeconds: o.timeout ?? 0,
  };
  return askKdc(request, { realm, config, resolver, secondMillis, ...o });
}

export const replyOf = async (answer: ReturnType<typeof ask>) => textOf((await answer).reply);

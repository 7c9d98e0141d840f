import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { descriptorOf } from '../../src/host/socket.ts';
import type { Channel } from '../../src/protocol/channel/channel.ts';
import { hostAddressOf } from '../../src/protocol/krb5/messages/address.ts';
import { dial } from '../../src/ticket/dial.ts';
import { IPPROTO_TCP, socketOption, TCP_NODELAY } from '../support/lab/socket-option.ts';

/** The resolver's, but for one name: what this host's own has differs from host to host. */
const twoAddresses = vi.hoisted(
  () =>
    [
      { address: '127.0.0.1', family: 4 },
      { address: '127.0.0.2', family: 4 },
    ] as const,
);
vi.mock('node:dns/promises', async (importActual) => {
  const actual = await importActual<typeof import('node:dns/promises')>();
  const lookup = (host: string, o: object) =>
    host === 'two.example' ? Promise.resolve(twoAddresses) : actual.lookup(host, o);
  return { ...actual, lookup };
});

let server: Server;
let port: number;
const channels: Channel[] = [];
const dialled = async (host: string, signal?: AbortSignal) => {
  const channel = await dial(host, port, { connectMillis: 0, signal });
  channels.push(channel);
  return channel;
};

beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => undefined).end('hello'));
  server.listen({ port: 0, host: '::', ipv6Only: false });
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  for (const channel of channels) channel.close();
  server.close();
});

test.each(['127.0.0.1', '::1'])('%s: both ends are known as Kerberos addresses', async (host) => {
  const channel = await dialled(host);
  expect(channel.ends.local).toEqual(hostAddressOf(host));
  expect(channel.ends.remote).toEqual(hostAddressOf(host));
  expect(channel.ends.peer).toBe(`${host} port ${port}`);
  expect(Buffer.from(await channel.read(5)).toString()).toBe('hello');
});

test('the kernel is told to notice a peer that is gone for good', async () => {
  const keepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
  await dialled('127.0.0.1');
  expect(keepAlive).toHaveBeenCalledWith(true, 60_000);
  keepAlive.mockRestore();
});

test('the kernel is told to send short messages at once', async () => {
  const told = vi.spyOn(Socket.prototype, 'setNoDelay');
  await dialled('127.0.0.1');
  const descriptor = descriptorOf(told.mock.instances[0] as unknown as Socket);
  told.mockRestore();
  expect(socketOption(descriptor, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
});

test('a name leads to one of its addresses', async () => {
  const channel = await dialled('localhost');
  expect(channel.ends.peer).toBe(`localhost port ${port}`);
  expect([hostAddressOf('127.0.0.1'), hostAddressOf('::1')]).toContainEqual(channel.ends.remote);
});

test('a name leads to the one of its addresses where something listens', async () => {
  const narrow = createServer((socket) => socket.end()).listen({ port: 0, host: '127.0.0.1' });
  await once(narrow, 'listening');
  const { port: narrowPort } = narrow.address() as AddressInfo;
  const channel = await dial('localhost', narrowPort, { connectMillis: 0 });
  expect(channel.ends.remote).toEqual(hostAddressOf('127.0.0.1'));
  channel.close();
  narrow.close();
});

test('nobody listens', async () => {
  await expect(dial('127.0.0.1', 1, { connectMillis: 0 })).rejects.toMatchObject({
    code: 'network.unreachable',
    detail: { host: '127.0.0.1', port: 1, errno: 'ECONNREFUSED' },
    retry: true,
  });
});

test.each(['nosuch.invalid', '', '999.1.1.1'])('no such host: "%s"', async (host) => {
  await expect(dial(host, 754, { connectMillis: 0 })).rejects.toMatchObject({
    code: 'network.unresolved',
    message: `${host}: Name or service not known`,
  });
});

test.each([65_536, -1, 7.5, Number.NaN])('no such port: %s', async (wrong) => {
  await expect(dial('127.0.0.1', wrong, { connectMillis: 0 })).rejects.toMatchObject({
    code: 'network.unresolved',
    detail: { reason: 'EAI_SERVICE' },
  });
});

describe('a host that answers no SYN', () => {
  // Its queue of connections is full and it accepts none: the kernel drops what else arrives.
  const script = `import socket, sys
deaf = socket.socket()
deaf.bind((sys.argv[1], 0))
deaf.listen(0)
waiting = []
for _ in range(3):
  one = socket.socket()
  one.setblocking(False)
  one.connect_ex(deaf.getsockname())
  waiting.append(one)
print(deaf.getsockname()[1], flush=True)
sys.stdin.read()`;
  let deaf: ChildProcess;
  let deafPort: number;
  const startDeaf = async (address: string) => {
    const python = spawn('python3', ['-c', script, address], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = (await once(python.stdout, 'data')) as [Buffer];
    return { process: python, port: Number(said.toString()) };
  };
  beforeAll(async () => {
    ({ process: deaf, port: deafPort } = await startDeaf('127.0.0.1'));
  });
  afterAll(() => deaf.stdin?.end());

  test('is given up after the limit', async () => {
    const began = performance.now();
    const dialling = dial('127.0.0.1', deafPort, { connectMillis: 200 });
    await expect(dialling).rejects.toMatchObject({
      code: 'network.unreachable',
      detail: { host: '127.0.0.1', port: deafPort, errno: 'ETIMEDOUT' },
    });
    expect(performance.now() - began).toBeGreaterThan(190);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  test('keeps its other address waiting for a quarter of a second only', async () => {
    const [first, second] = twoAddresses;
    const silent = await startDeaf(first.address);
    const open = createServer((socket) => socket.on('error', () => undefined).end('hello'));
    open.listen({ port: silent.port, host: second.address });
    await once(open, 'listening');
    const began = performance.now();
    const channel = await dial('two.example', silent.port, { connectMillis: 0 });
    // The kernel gives up the first one after about two minutes.
    expect(performance.now() - began).toBeGreaterThan(240);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(channel.ends.remote).toEqual(hostAddressOf(second.address));
    channel.close();
    open.close();
    silent.process.stdin?.end();
  });

  test('is left when the signal says so', async () => {
    const abort = new AbortController();
    const dialling = dial('127.0.0.1', deafPort, { connectMillis: 0, signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')), 100);
    await expect(dialling).rejects.toMatchObject({ code: 'aborted', detail: { reason: 'enough' } });
  });
});

test('nothing is tried for a signal that was aborted before', async () => {
  const early = AbortSignal.abort(new Error('changed my mind'));
  await expect(dialled('127.0.0.1', early)).rejects.toMatchObject({
    code: 'aborted',
    detail: { reason: 'changed my mind' },
  });
});

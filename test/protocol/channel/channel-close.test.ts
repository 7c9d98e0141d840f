import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { channelPair, clientAddress, serverAddress } from '../../support/wire/channel-pair.ts';

const ends = { local: clientAddress, remote: serverAddress, peer: 'replica.example port 754' };

describe('closing with a linger', () => {
  const limits = { lingerMillis: 2_000, lingerBytes: 1 << 30 };

  test('delivers the last words, and is done when the other side is', async () => {
    const { client, server } = channelPair();
    await server.write(Uint8Array.of(1, 2));
    const finished = server.close(limits);
    expect([...(await client.read(2))]).toEqual([1, 2]);
    await client.write(new Uint8Array(100_000));
    client.close();
    await finished;
    await expect(server.read(1)).rejects.toBeInstanceOf(KpropError);
  });

  test('gives up on a side that says nothing, after its time', async () => {
    const { server } = channelPair();
    const started = performance.now();
    await server.close({ ...limits, lingerMillis: 50 });
    expect(performance.now() - started).toBeGreaterThanOrEqual(45);
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('gives up on a side that says too much, or never stops', async () => {
    for (const bounds of [
      { lingerMillis: 2_000, lingerBytes: 100_000 },
      { ...limits, lingerMillis: 60 },
    ]) {
      const { client, server } = channelPair();
      let writing = true;
      const flood = (async () => {
        while (writing) {
          await client.write(new Uint8Array(10_000));
          await new Promise(setImmediate);
        }
      })().catch(() => undefined);
      const started = performance.now();
      await server.close(bounds);
      expect(performance.now() - started).toBeLessThan(1_500);
      writing = false;
      client.close();
      await flood;
    }
  });

  test('over TCP, the last words arrive though the other side never reads until then', async () => {
    const listener = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      const channel = channelOver(socket, ends);
      channel.write(Uint8Array.of(0x7e, 1)).then(
        () => channel.close(limits),
        () => undefined,
      );
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const client = channelOver(socket, ends);
    client.during('sending', 5_000);
    for (let chunk = 0; chunk < 100; chunk += 1) await client.write(new Uint8Array(100_000));
    expect([...(await client.read(2))]).toEqual([0x7e, 1]);
    client.close();
    listener.close();
  });
});

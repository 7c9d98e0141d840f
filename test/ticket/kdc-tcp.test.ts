import { afterEach, describe, expect, test } from 'vitest';

import { textOf, utf8 } from '../../src/protocol/bytes.ts';
import {
  ask,
  closeServers,
  framed,
  replyOf,
  says,
  secondMillis,
  secondsSince,
  tcpServer,
  udpServer,
} from '../support/kdc/loopback-kdc.ts';

afterEach(closeServers);

describe('a KDC on TCP', () => {
  test('is asked after UDP was refused, with the length in front', async () => {
    const kdc = await tcpServer((socket) => socket.write(framed('reply')));
    const answer = await ask([`127.0.0.1:${kdc.port}`]);
    expect(textOf(answer.reply)).toBe('reply');
    expect(kdc.requests).toEqual([framed('request')]);
  });

  test('is asked first when the request is long, and alone when the caller says so', async () => {
    const kdc = await tcpServer((socket) => socket.write(framed('tcp')));
    const udp = await udpServer(says('udp'), { port: kdc.port });
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`], { limit: 7 }))).toBe('udp');
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`], { limit: 6 }))).toBe('tcp');
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`], { tcpOnly: true }))).toBe('tcp');
    expect(udp.requests).toHaveLength(1);
  });

  test('that refuses leaves UDP, except when TCP is all that may be used', async () => {
    const udp = await udpServer(says('udp'));
    expect(await replyOf(ask([`127.0.0.1:${udp.port}`], { limit: 6 }))).toBe('udp');
    await expect(ask([`127.0.0.1:${udp.port}`], { tcpOnly: true })).rejects.toMatchObject({
      code: 'kdc.unreachable',
      detail: { tried: [`127.0.0.1 ${udp.port}/tcp`] },
    });
    expect(udp.requests).toHaveLength(1);
  });

  test('may send its reply byte by byte', async () => {
    const kdc = await tcpServer(async (socket) => {
      for (const byte of framed('in pieces')) {
        socket.write(Uint8Array.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`], { tcpOnly: true }))).toBe('in pieces');
  });

  test('may take ten seconds once it has the connection', async () => {
    const kdc = await tcpServer((socket) => {
      setTimeout(() => socket.write(framed('slow')), 7 * secondMillis);
    });
    const next = await tcpServer((socket) => socket.write(framed('next')));
    const kdcs = [`127.0.0.1:${kdc.port}`, `127.0.0.1:${next.port}`];
    expect(await replyOf(ask(kdcs, { tcpOnly: true }))).toBe('slow');
    expect(next.requests).toEqual([]);
  });

  test('that never answers is left for the next after ten', async () => {
    const kdc = await tcpServer(() => {});
    const next = await tcpServer((socket) => socket.write(framed('next')));
    const kdcs = [`127.0.0.1:${kdc.port}`, `127.0.0.1:${next.port}`];
    const start = performance.now();
    expect(await replyOf(ask(kdcs, { tcpOnly: true }))).toBe('next');
    expect(secondsSince(start)).toBeGreaterThan(9.5);
  });

  test.each([
    ['a length past 1 MiB', framed('x', 1_048_577)],
    ['a length with the high bit', framed('x', 0x8000_0001)],
    ['an HTTP answer', utf8('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['half a length', Uint8Array.of(0, 0)],
    ['less than it promised', framed('x', 100)],
  ])('that sends %s is passed over', async (_, bytes) => {
    const bad = await tcpServer((socket) => socket.end(bytes));
    const kdc = await tcpServer((socket) => socket.write(framed('reply')));
    const kdcs = [`127.0.0.1:${bad.port}`, `127.0.0.1:${kdc.port}`];
    const start = performance.now();
    expect(await replyOf(ask(kdcs, { tcpOnly: true, secondMillis: 1000 }))).toBe('reply');
    expect(performance.now() - start).toBeLessThan(900);
  });

  test('may send 1 MiB', async () => {
    const kdc = await tcpServer((socket) => socket.write(framed('x'.repeat(1_048_576))));
    const { reply } = await ask([`127.0.0.1:${kdc.port}`], { tcpOnly: true });
    expect(reply).toHaveLength(1_048_576);
  });
});

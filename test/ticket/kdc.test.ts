import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { promisify } from 'node:util';

import { afterEach, describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';
import { textOf } from '../../src/protocol/bytes.ts';
import {
  ask,
  closeServers,
  deadPort,
  framed,
  realm,
  replyOf,
  resolver,
  says,
  secondMillis,
  secondsSince,
  tcpServer,
  udpServer,
} from '../support/kdc/loopback-kdc.ts';

afterEach(closeServers);

describe('a KDC on UDP', () => {
  test('is asked once and answers', async () => {
    const kdc = await udpServer(says('reply'));
    const answer = await ask([`127.0.0.1:${kdc.port}`]);
    expect(textOf(answer.reply)).toBe('reply');
    expect(answer.server).toMatchObject({ host: '127.0.0.1', port: kdc.port });
    expect(kdc.requests).toEqual(['request']);
  });

  test('may be IPv6', async () => {
    const kdc = await udpServer(says('six'), { family: 6 });
    expect(await replyOf(ask([`[::1]:${kdc.port}`]))).toBe('six');
  });

  test('may answer with 60 000 bytes', async () => {
    const kdc = await udpServer(says('x'.repeat(60_000)));
    expect((await ask([`127.0.0.1:${kdc.port}`])).reply).toHaveLength(60_000);
  });

  test('that is silent is asked at 0, 4 and 9 s, and given up at 18', async () => {
    const kdc = await udpServer();
    const start = performance.now();
    const asked = ask([`127.0.0.1:${kdc.port}`]);
    await expect(asked).rejects.toMatchObject({
      code: 'kdc.unreachable',
      detail: { realm, tried: [`127.0.0.1 ${kdc.port}/udp`, `127.0.0.1 ${kdc.port}/tcp`] },
    });
    // Its TCP port refuses at once: no second is spent on it.
    const seconds = secondsSince(start);
    expect(seconds).toBeGreaterThan(16.5);
    expect(seconds).toBeLessThan(24);
    const [first, second, third] = kdc.arrivals.map((at) => (at - start) / secondMillis);
    expect(kdc.arrivals).toHaveLength(3);
    expect(first).toBeLessThan(2);
    expect(second).toBeGreaterThan(2.5);
    expect(third).toBeGreaterThan(7.5);
  });

  test('that loses the first datagram gets another', async () => {
    const kdc = await udpServer((server, from, count) => {
      if (count === 2) server.send('second', from.port, from.address);
    });
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`]))).toBe('second');
  });

  test('that is slow is still listened to while others are asked', async () => {
    const slow = await udpServer(says('late', 1.5 * secondMillis));
    const silent = await udpServer();
    const start = performance.now();
    const answer = await ask([`127.0.0.1:${slow.port}`, `127.0.0.1:${silent.port}`]);
    expect(textOf(answer.reply)).toBe('late');
    expect(answer.server.port).toBe(slow.port);
    expect(silent.requests).toHaveLength(1);
    expect(secondsSince(start)).toBeLessThan(4);
  });

  test('that answers from another port is not heard', async () => {
    const other = createSocket('udp4');
    const kdc = await udpServer((server, from, count) => {
      other.send('forged', from.port, from.address);
      if (count === 2) server.send('true', from.port, from.address);
    });
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`]))).toBe('true');
    other.close();
  });
});

describe('of several KDCs', () => {
  test('a KDC that refuses is skipped at once', async () => {
    const port = await deadPort();
    const kdc = await udpServer(says('reply'));
    const start = performance.now();
    const kdcs = [`127.0.0.1:${port}`, `127.0.0.1:${kdc.port}`];
    expect(await replyOf(ask(kdcs, { secondMillis: 1000 }))).toBe('reply');
    expect(performance.now() - start).toBeLessThan(900);
  });

  test('a silent KDC costs a second', async () => {
    const silent = await udpServer();
    const kdc = await udpServer(says('reply'));
    const start = performance.now();
    await ask([`127.0.0.1:${silent.port}`, `127.0.0.1:${kdc.port}`]);
    expect(secondsSince(start)).toBeGreaterThan(0.9);
    expect(secondsSince(start)).toBeLessThan(4);
  });

  test('all addresses of one name are tried', async () => {
    const kdc = await udpServer(says('reply'));
    expect(await replyOf(ask([`two.example:${kdc.port}`]))).toBe('reply');
  });

  test('names that do not resolve are skipped, and reported at the end', async () => {
    const kdc = await udpServer(says('reply'));
    expect(await replyOf(ask(['nosuch.example', `127.0.0.1:${kdc.port}`]))).toBe('reply');
    const port = await deadPort();
    await expect(ask(['nosuch.example', `127.0.0.1:${port}`])).rejects.toMatchObject({
      code: 'kdc.unreachable',
      detail: {
        tried: [
          `127.0.0.1 ${port}/udp`,
          `127.0.0.1 ${port}/tcp`,
          'nosuch.example (does not resolve)',
        ],
      },
    });
  });

  test('none resolves', async () => {
    await expect(ask(['a.example', 'b.example'])).rejects.toMatchObject({
      code: 'kdc.unresolved',
      detail: { realm, hosts: ['a.example', 'b.example'] },
    });
  });

  test('all refuse: the search ends at once', async () => {
    const start = performance.now();
    const kdcs = [`127.0.0.1:${await deadPort()}`, `127.0.0.1:${await deadPort()}`];
    await expect(ask(kdcs, { secondMillis: 1000 })).rejects.toMatchObject({
      code: 'kdc.unreachable',
    });
    expect(performance.now() - start).toBeLessThan(900);
  });

  test('proxies are skipped, and named when there is nothing else', async () => {
    const proxy = 'https://proxy.example/KdcProxy';
    const kdc = await udpServer(says('reply'));
    expect(await replyOf(ask([proxy, `127.0.0.1:${kdc.port}`]))).toBe('reply');
    await expect(ask([proxy])).rejects.toMatchObject({
      code: 'kdc.unreachable',
      detail: { tried: [proxy] },
    });
  });

  test('none is known', async () => {
    await expect(ask([])).rejects.toMatchObject({ code: 'kdc.unknown-realm' });
    await expect(ask(['a.example'], { primaryOnly: true })).rejects.toMatchObject({
      code: 'kdc.unknown-realm',
    });
  });
});

describe('a reply that the caller declines', () => {
  const accept = (reply: Uint8Array) => textOf(reply) !== 'unavailable';

  test('sends the search to the next KDC', async () => {
    const busy = await udpServer(says('unavailable'));
    const kdc = await udpServer(says('reply'));
    const kdcs = [`127.0.0.1:${busy.port}`, `127.0.0.1:${kdc.port}`];
    expect(await replyOf(ask(kdcs, { accept }))).toBe('reply');
  });

  test('lets the same KDC be asked again', async () => {
    const kdc = await udpServer((server, from, count) =>
      server.send(count === 1 ? 'unavailable' : 'reply', from.port, from.address),
    );
    expect(await replyOf(ask([`127.0.0.1:${kdc.port}`], { accept }))).toBe('reply');
  });

  test('is the answer where no other comes', async () => {
    const kdc = await tcpServer((socket) => socket.write(framed('unavailable')));
    const answer = ask([`127.0.0.1:${kdc.port}`], { accept, tcpOnly: true });
    expect(await replyOf(answer)).toBe('unavailable');
  });

  test('is whatever the check throws', async () => {
    const kdc = await udpServer(says('reply'));
    const broken = () => {
      throw new Error('broken check');
    };
    await expect(ask([`127.0.0.1:${kdc.port}`], { accept: broken })).rejects.toThrow('broken');
  });
});

describe('records of DNS', () => {
  test('are used with their transport alone; those of the other one come later', async () => {
    const tcp = await tcpServer((socket) => socket.write(framed('tcp')));
    const udp = await udpServer(says('udp'));
    const uri = async () => [
      { priority: 1, target: `krb5srv::tcp:127.0.0.1:${tcp.port}` },
      { priority: 2, target: `krb5srv:m:udp:127.0.0.1:${udp.port}` },
    ];
    const dns = { ...resolver, uri };
    // As MIT kprop 1.20.1 does, whatever the priorities.
    expect(await replyOf(ask([], { resolver: dns }))).toBe('udp');
    expect(await replyOf(ask([], { resolver: dns, limit: 6 }))).toBe('tcp');
    await expect(
      ask([], { resolver: dns, primaryOnly: true, tcpOnly: true }),
    ).rejects.toMatchObject({
      code: 'kdc.unreachable',
      detail: { tried: [`127.0.0.1 ${udp.port}/udp`] },
    });
  });
});

test('an SRV record that denies the service gives no KDC', async () => {
  const srv = async (name: string) =>
    name === '_kerberos._udp.EXAMPLE.ORG' ? [{ name: '', port: 0, priority: 0 }] : [];
  await expect(ask([], { resolver: { ...resolver, srv } })).rejects.toMatchObject({
    code: 'kdc.unresolved',
    detail: { hosts: ['.'] },
  });
});

describe('the end', () => {
  test('comes with the signal, and no socket stays open', async () => {
    const kdc = await tcpServer(() => abort.abort(new Error('enough')));
    const udp = await udpServer();
    const abort = new AbortController();
    const asked = ask([`127.0.0.1:${udp.port}`, `127.0.0.1:${kdc.port}`], {
      signal: abort.signal,
    });
    await expect(asked).rejects.toMatchObject({ code: 'aborted', detail: { reason: 'enough' } });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(kdc.open.size).toBe(0);
    const before = udp.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 6 * secondMillis));
    expect(udp.requests).toHaveLength(before);
  });

  test('comes at once if the signal came before', async () => {
    const udp = await udpServer(says('reply'));
    const asked = ask([`127.0.0.1:${udp.port}`], { signal: AbortSignal.abort() });
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(udp.requests).toEqual([]);
    const own = new KpropError('aborted', { reason: 'the reason' });
    await expect(ask(['127.0.0.1'], { signal: AbortSignal.abort(own) })).rejects.toBe(own);
  });

  test('comes during a look-up that never ends', async () => {
    const stuck = { ...resolver, addresses: () => new Promise<never>(() => {}) };
    await expect(
      ask(['a.example'], { resolver: stuck, signal: AbortSignal.timeout(30) }),
    ).rejects.toMatchObject({ code: 'caller.timeout' });
    await expect(ask(['a.example'], { resolver: stuck, timeout: 1 })).rejects.toMatchObject({
      code: 'kdc.unreachable',
    });
  });

  test('comes with request_timeout', async () => {
    const udp = await udpServer();
    const start = performance.now();
    await expect(ask([`127.0.0.1:${udp.port}`], { timeout: 6 })).rejects.toMatchObject({
      code: 'kdc.unreachable',
    });
    expect(secondsSince(start)).toBeLessThan(12);
    expect(udp.requests).toHaveLength(2);
  });

  test('leaves nothing that keeps the process alive', async () => {
    // The KDC keeps every connection open: only the asker closes it. The first address is silent.
    const kdc = await tcpServer((socket) => socket.write(framed('reply')));
    const silent = await udpServer();
    const script = `
      import { askKdc } from './dist/ticket/kdc.js';
      const config = {
        kdcs: () => ['127.0.0.1:${silent.port}', '127.0.0.1:${kdc.port}'],
        primaryKdcs: () => [],
        dnsLookupKdc: false,
        dnsUriLookup: false,
        udpPreferenceLimit: 1465,
        requestTimeoutSeconds: 600,
      };
      const { server } = await askKdc(Buffer.from('request'), {
        realm: '${realm}',
        config,
        secondMillis: ${secondMillis},
      });
      console.log(server.port, process.getActiveResourcesInfo().includes('Timeout'));
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script],
      { timeout: 60_000 },
    );
    expect(stdout).toBe(`${kdc.port} false\n`);
  });
});

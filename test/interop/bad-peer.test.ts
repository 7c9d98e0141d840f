import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { bothFail, type Failure, oursFails } from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd, KpropOptions } from '../support/lab/lab-options.ts';
import { freePort } from '../support/lab/lab-process.ts';
import { succeeded } from '../support/lab/pairings.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 200 });
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

async function fails(text: string, o: KpropOptions): Promise<Failure> {
  const failure = await bothFail(lab, o);
  expect(failure.mit).toEqual([`kprop: ${text}`]);
  expect(failure.ours).toEqual(failure.mit);
  return failure;
}

describe('nothing listens', () => {
  test('nothing listens: the advice names host, port, and what to look at', async () => {
    const port = await freePort();
    const { advice } = await fails('Connection refused while connecting to server', { port });
    expect(advice).toMatch(
      new RegExp(`127\\.0\\.0\\.1 port ${port}.*firewall.* run .systemctl start krb5-kpropd`),
    );
  });

  test.each(['nosuch.invalid', '127.0.0.1.5', ''])(
    'a host that nobody knows: "%s"',
    async (host) => {
      await lab.addPrincipals([`host/${host}`]);
      const { advice } = await fails(`${host}: Name or service not known`, { port: 754, host });
      expect(advice).toMatch(
        /correct the name, or add the line .* to \/etc\/hosts|give kprop the name/,
      );
    },
  );

  test('a service that the services database lacks', async () => {
    const o = { port: 754, args: ['-P', 'nosuchservice'] };
    await fails('127.0.0.1: Servname not supported for ai_socktype', o);
  });

  test('a port past the last one, which the C library takes modulo 65 536', async () => {
    const { ours } = await oursFails(lab, () => lab.ourKprop({ port: 99_999 }));
    expect(ours).toEqual(['kprop: 127.0.0.1: Servname not supported for ai_socktype']);
  });
});

describe('something else listens', () => {
  test('a web server', async () => {
    const web = createWebServer((_, response) => response.end('hello')).listen(0);
    await once(web, 'listening');
    const { port } = web.address() as AddressInfo;
    const { advice } = await fails(
      'Bad response (during sendauth exchange) while authenticating to server',
      { port },
    );
    expect(advice).toMatch(/fix: check host and port: another service answers there/);
    web.closeAllConnections();
    web.close();
  });

  test.each([
    ['that speaks TLS', [0x15, 3, 1, 0, 2, 2, 70], 'Bad response (during sendauth exchange)'],
    ['of another sendauth version', [1], 'Bad sendauth version was sent'],
    ['of another application', [2], 'Bad application version was sent (via sendauth)'],
  ])('a server %s', async (_, answer, text) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(Uint8Array.from(answer)));
    }).listen(0);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { advice } = await fails(`${text} while authenticating to server`, { port });
    expect(advice).toContain('check host and port');
    server.close();
  });
});

describe('the connection ends', () => {
  let kpropd: Kpropd;
  let confirmationEnd = 0;
  beforeAll(async () => {
    // It confirms without a load, so that a cut in the confirmation leaves the database alone.
    kpropd = await lab.startOurKpropd({ loader: lab.loaderStub('exit 0') });
    const proxy = await startProxy(kpropd.port);
    expect(await lab.ourKprop({ port: proxy.port })).toMatchObject(succeeded());
    confirmationEnd = proxy.counted.server;
    await proxy.close();
  });
  afterAll(() => kpropd.stop());

  const authenticating = 'while authenticating to server';
  const confirming = 'while reading response from server';
  // Of what a replica sends: 1 byte, an empty frame, the AP-REP, the confirmation.
  const cuts = [
    ['before an answer', 'server', () => 0, authenticating],
    ['after the versions', 'server', () => 1, authenticating],
    ['while the AP-REQ is sent', 'client', () => 100, authenticating],
    ['after the AP-REQ', 'server', () => 5, authenticating],
    ['in the AP-REP', 'server', () => 60, authenticating],
    ['at the start of the confirmation', 'server', () => confirmationEnd - 70, confirming],
    ['in the confirmation', 'server', () => confirmationEnd - 10, confirming],
  ] as const;

  const inTheDump = ['in the dump', 'client', (): number => 50_000, confirming] as const;

  test.each(cuts)('%s', async (_, from, afterBytes, doing) => {
    const proxy = await startProxy(kpropd.port, { from, afterBytes: afterBytes(), fate: 'end' });
    const text = `Software caused connection abort ${doing}`;
    const { advice } = await fails(text, { port: proxy.port });
    expect(advice).toMatch(
      /closed the connection(,| while).* fix: on the other side, run `journalctl -t kpropd`/,
    );
    await proxy.close();
  });

  // Whether the end or the last write comes first is decided by the kernel, for either kprop.
  test('in the dump', async () => {
    const proxy = await startProxy(kpropd.port, {
      from: 'client',
      afterBytes: 50_000,
      fate: 'end',
    });
    const { ours, mit, advice } = await bothFail(lab, { port: proxy.port });
    const said =
      /^kprop: (Software caused connection abort while reading response from server|(Broken pipe|Connection reset by peer) while (sending database block starting at \d+|reading response from server))$/;
    expect(mit.join()).toMatch(said);
    expect(ours.join()).toMatch(said);
    expect(advice).toMatch(/on the other side, run `journalctl -t kpropd`/);
    await proxy.close();
  });

  test.each([...cuts, inTheDump])('by a reset %s', async (_, from, afterBytes) => {
    const proxy = await startProxy(kpropd.port, {
      from,
      afterBytes: afterBytes(),
      fate: 'reset',
    });
    const { ours, mit, advice } = await bothFail(lab, { port: proxy.port });
    // A reset can overtake what went before it, so both may have come to different steps.
    const said =
      /^kprop: (Connection reset by peer|Broken pipe|Software caused connection abort) while (authenticating to|sending database|reading response from) /;
    expect(mit.join()).toMatch(said);
    expect(ours.join()).toMatch(said);
    expect(advice).toMatch(new RegExp(`127\\.0\\.0\\.1 port ${proxy.port} .*journalctl -t kpropd`));
    await proxy.close();
  });
});

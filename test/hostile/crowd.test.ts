import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { framed, writeFrame } from '../../src/protocol/channel/frame.ts';
import { encodeSize } from '../../src/protocol/kprop/size.ts';
import type { ServeOptions } from '../../src/server/serve.ts';
import { type Insider, labCredential, openInsider } from '../support/rig/attacker.ts';
import { ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';
import { fallSilent } from '../support/rig/silent.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

/** An ACL that lets the primary in, and names 127.0.0.1 as the host of another one if told so. */
function aclOf(o: { readonly known: boolean }): string {
  const path = join(rig.lab.replica.folder, `acl-${o.known}`);
  writeFileSync(path, `${rig.lab.client}\n${o.known ? `host/localhost@${rig.lab.realm}\n` : ''}`);
  return path;
}

const patient = (o: Partial<ServeOptions> = {}) =>
  rig.serve({
    limits: { authenticateMillis: 60_000, idleMillis: 60_000, totalMillis: 60_000 },
    ...o,
  });

/** A propagation whose connection is there before the crowd comes, and which speaks when it has. */
async function propagateThrough(server: RigServer, crowd: () => Promise<unknown>): Promise<void> {
  const proxy = await startProxy(server.port, { from: 'client', afterBytes: 1, fate: 'hold' });
  const sent = rig.send(proxy.port, { dump: rig.good, limits: { authenticateMillis: 60_000 } });
  sent.catch(() => undefined);
  await proxy.struck;
  await rig.eventually(() => server.events.some(({ kind }) => kind === 'connected'));
  await crowd();
  proxy.release();
  await sent;
  await proxy.close();
}

const dropped = ({ events }: RigServer) =>
  events.flatMap((event) => (event.kind === 'dropped' ? [event] : []));

describe('a primary that is slow to speak', () => {
  test('is not shut out by one address', async () => {
    const server = await patient({ acl: aclOf({ known: false }) });
    await propagateThrough(server, async () => {
      const silence = await fallSilent(server.port, { count: 300 });
      await rig.eventually(() => silence.open <= 32);
    });
    await server.close();
    // Each costs one line at the most, and those that are dropped at once cost none.
    const served = server.events.filter(({ kind }) => kind === 'connected').length;
    expect(served).toBeLessThan(200);
    expect(dropped(server)).toMatchObject([
      { connection: 0, from: '127.0.2.1', count: 301 - served, fromCount: 301 - served },
    ]);
  });

  test('is not shut out by a hundred addresses that hold as many places as they can', async () => {
    const acl = aclOf({ known: false });
    const server = await patient({ acl, maxUnauthenticated: 200 });
    await propagateThrough(server, () => fallSilent(server.port, { count: 1000, addresses: 100 }));
  });

  test('has a place if the ACL names its host, even if each attacker has another address', async () => {
    const server = await patient({ acl: aclOf({ known: true }), maxUnauthenticated: 10 });
    await sleep(50); // for the look at the ACL, which is of /etc/hosts
    await propagateThrough(server, async () => {
      for (let round = 0; round < 20; round += 1) {
        const silence = await fallSilent(server.port, { count: 40, addresses: 40 });
        await rig.eventually(() => silence.open <= 10);
        silence.end();
      }
    });
  });

  test('has a place after its first propagation, even if the ACL does not name its host', async () => {
    const server = await patient({ acl: aclOf({ known: false }), maxUnauthenticated: 10 });
    await rig.expectServes(server);
    await propagateThrough(server, async () => {
      for (let round = 0; round < 20; round += 1) {
        const silence = await fallSilent(server.port, { count: 40, addresses: 40 });
        await rig.eventually(() => silence.open <= 10);
        silence.end();
      }
    });
  });
});

describe('peers that may propagate', () => {
  const open = async (server: RigServer): Promise<Insider> =>
    openInsider(server.port, await labCredential(rig.lab));

  test.each([
    ['in all', { maxPropagations: 2 }, '2 propagations are under way already'],
    [
      'of one principal',
      { maxPropagationsPerClient: 2 },
      '2 propagations of CLIENT are under way already',
    ],
  ])('are limited %s: the next one is told, and comes later', async (_what, options, text) => {
    const server = await patient(options);
    const insiders = [await open(server), await open(server)];
    await rig.eventually(
      () => server.events.filter(({ kind }) => kind === 'authenticated').length === 2,
    );
    const refusal = await rig.failure(server.port, { dump: rig.good });
    expect(refusal.detail).toMatchObject({
      number: 60,
      text: text.replace('CLIENT', rig.lab.client),
    });
    insiders[0]?.channel.close();
    await rig.eventually(() => server.events.filter(({ kind }) => kind === 'closed').length === 2);
    await rig.send(server.port, { dump: rig.good });
    insiders[1]?.channel.close();
    await server.settled();
    rig.holdGood();
  });

  test('send no block that is larger than anybody needs', async () => {
    const server = await patient();
    const { channel, session, refusal } = await open(server);
    await writeFrame(channel, session.makeSafe(encodeSize(1 << 30)));
    await channel.write(Buffer.from('00100001', 'hex'));
    expect(await refusal()).toMatchObject({ code: 'peer.refused' });
    channel.close();
    await server.settled();
    expect(server.errors).toMatchObject([
      { code: 'message.too-long', detail: { bytes: 1_048_577, limit: 1_048_576 } },
    ]);
  });

  test('are refused a dump that is too large before they send it', async () => {
    const server = await rig.serve({ maxDumpBytes: 1000 });
    await rig.survives(
      server,
      async () => {
        const refusal = await rig.failure(server.port);
        expect(refusal.detail).toMatchObject({
          number: 60,
          text: expect.stringMatching(/^the dump has \d+ bytes; this replica takes 1000/),
        });
      },
      { thenSends: false },
    );
  });
});

describe('the end of a server', () => {
  test('waits for a propagation that makes progress, and for no other', async () => {
    const server = await patient({
      limits: { idleMillis: 60_000, totalMillis: 60_000, stallMillis: 2_000 },
    });
    const credential = await labCredential(rig.lab);
    const stalled = await openInsider(server.port, credential);
    const slow = await openInsider(server.port, credential);
    const dump = readFileSync(rig.good);
    await writeFrame(slow.channel, slow.session.makeSafe(encodeSize(dump.length)));
    await rig.eventually(() => server.events.some(({ kind }) => kind === 'receiving'));
    const closed = server.close();
    const seal = slow.session.sealer();
    // Longer than the stall, in steps that are much shorter.
    const stepBytes = Math.ceil(dump.length / 30);
    for (let at = 0; at < dump.length; at += stepBytes) {
      const block = Uint8Array.from(dump.subarray(at, at + stepBytes));
      await slow.channel.write(...framed(...seal(block).flat()));
      await sleep(100);
    }
    await closed;
    expect(server.errors).toMatchObject([{ code: 'network.timeout', detail: { millis: 2_000 } }]);
    expect(server.events.filter(({ kind }) => kind === 'loaded')).toHaveLength(1);
    await rig.expectIntact();
    for (const { channel } of [stalled, slow]) channel.close();
    rig.holdGood();
  }, 30_000);
});

test('several addresses, all with the same port', async () => {
  const server = await rig.serve({ address: ['127.0.0.1', '127.0.0.5', '::1'] });
  expect(server.addresses).toEqual([
    `127.0.0.1:${server.port}`,
    `127.0.0.5:${server.port}`,
    `[::1]:${server.port}`,
  ]);
  await rig.expectServes(server);
  const reaches = (host: string) =>
    new Promise((resolve) => {
      const socket = connect(server.port, host, () => resolve(true));
      socket.on('error', () => resolve(false)).on('close', () => socket.destroy());
    });
  expect(await reaches('127.0.0.5')).toBe(true);
  expect(await reaches('::1')).toBe(true);
  expect(await reaches('127.0.0.6')).toBe(false);
  await server.close();
  rig.holdGood();
});

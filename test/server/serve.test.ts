import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { loadKrb5Config } from '../../src/host/config-files.ts';
import { type ServerEvent, serveSocket } from '../../src/server/serve.ts';
import { holdLock } from '../support/lab/lock-holder.ts';
import { labCredential, openInsider, stranger } from '../support/rig/attacker.ts';
import { ReplicaRig } from '../support/rig/replica-rig.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

test('a listener that throws at every event is a warning, and stops nothing', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const onEvent = ({ kind }: ServerEvent) => {
    throw new Error(`a bug at ${kind}`);
  };
  const server = await rig.serve({ onEvent });
  await rig.expectServes(server);
  await stranger(server.port, 'GET / HTTP/1.1\r\n\r\n');
  await server.close({ abort: true });
  const said = warned.mock.calls.map(([error]) => (error as Error).message);
  for (const kind of ['connected', 'loaded', 'failed', 'closed']) {
    expect(said).toContain(`a bug at ${kind}`);
  }
  warned.mockRestore();
  rig.holdGood();
});

test('a peer that is not in the ACL stays a stranger: one of them ends for a newcomer', async () => {
  const acl = join(rig.lab.replica.folder, 'acl-nobody');
  writeFileSync(acl, '');
  const server = await rig.serve({
    acl,
    maxUnauthenticated: 2,
    limits: { authenticateMillis: 60_000 },
  });
  const credential = await labCredential(rig.lab);
  const closed = () => server.events.filter(({ kind }) => kind === 'closed').length;
  const denied = () => server.events.filter(({ kind }) => kind === 'denied').length;
  const begin = performance.now();
  const insiders = [];
  for (let i = 1; i <= 3; i += 1) {
    insiders.push(await openInsider(server.port, credential));
    await rig.eventually(() => denied() === i);
  }
  await rig.eventually(() => closed() === 1);
  expect(performance.now() - begin).toBeLessThan(4_000);
  // The others are let go of soon, too, though they neither send nor hang up.
  await rig.eventually(() => closed() === 3);
  for (const { channel } of insiders) channel.close();
}, 20_000);

test('files that a killed kpropd left beside the dump are removed at the start, unless they are locked', async () => {
  const { fromMaster } = rig.lab.replica;
  const dead = [`${fromMaster}.temp`, `${fromMaster}.temp.3`];
  const others = [`${fromMaster}.temp.2`, `${fromMaster}.temp.old`, `${fromMaster}.tempo`];
  for (const path of [...dead, ...others]) writeFileSync(path, 'half');
  const holder = await holdLock(`${fromMaster}.temp.2`, 'OFD');
  const server = await rig.serve();
  expect(dead.filter((path) => existsSync(path))).toEqual([]);
  expect(others.filter((path) => existsSync(path))).toEqual(others);
  expect(existsSync(fromMaster)).toBe(true);
  await server.close();
  await holder.end();
});

test('an inherited connection that is reset before it is served ends nothing but itself', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const client = connect((listener.address() as { port: number }).port, '127.0.0.1');
  const [socket] = (await once(listener, 'connection')) as [Socket];
  const { replica } = rig.lab;
  const events: ServerEvent[] = [];
  const served = serveSocket(socket, {
    config: loadKrb5Config({ krb5ConfFiles: replica.krb5Conf }),
    acl: replica.acl,
    file: replica.fromMaster,
    loader: async () => undefined,
    onEvent: (event) => events.push(event),
  });
  socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
  await served;
  expect(events).toContainEqual(
    expect.objectContaining({ error: expect.objectContaining({ code: 'network.closed' }) }),
  );
  expect(events.at(-1)).toMatchObject({ kind: 'closed' });
  client.destroy();
  listener.close();
});

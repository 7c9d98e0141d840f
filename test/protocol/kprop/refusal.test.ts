import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import type { Channel } from '../../../src/protocol/channel/channel.ts';
import { readFrame } from '../../../src/protocol/channel/frame.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { applicationVersion } from '../../../src/protocol/kprop/dump.ts';
import { confirmDump } from '../../../src/protocol/kprop/receiver.ts';
import { sendFailure } from '../../../src/protocol/kprop/refusal.ts';
import { recvauth } from '../../../src/protocol/krb5/session/sendauth.ts';
import { dial } from '../../../src/ticket/dial.ts';
import { channelPair, serverAddress } from '../../support/wire/channel-pair.ts';
import { dumpOf, propagateOver, someBytes } from '../../support/wire/conversation.ts';
import { acceptor } from '../../support/wire/forge.ts';

const full = new KpropError('spool.write', { path: '/from_master', errno: 'ENOSPC' });
full.during('blocks', 'while writing database block starting at offset 0');
const refused = {
  code: 'peer.refused',
  phase: 'blocks',
  detail: {
    number: 60,
    text: 'No space left on device while writing database block starting at offset 0',
  },
};
const idleMillis = 5_000;

/** A replica whose disk is full once it has read so many messages. */
async function fullReplica(channel: Channel, messages: number): Promise<void> {
  channel.during('playing a replica', idleMillis);
  const { session } = await recvauth(channel, { ...acceptor(), application: applicationVersion });
  for (let read = 0; read < messages; read += 1) await readFrame(channel, 'message', 1 << 20);
  await sendFailure(channel, session, 'server', full);
}

test.each([1, 2, 9, 40])('a replica that refuses after %i messages is heard', async (messages) => {
  const { client, server } = channelPair();
  const replica = fullReplica(server, messages).then(() => server.close());
  const sent = propagateOver(client, { dump: someBytes(100 * 32_768), idleMillis });
  await expect(sent).rejects.toMatchObject(refused);
  await replica;
});

test('a replica that refuses and is gone before the next write is heard', async () => {
  const { client, server } = channelPair();
  let gone = () => {};
  const replicaGone = new Promise<void>((resolve) => {
    gone = resolve;
  });
  const replica = fullReplica(server, 1).then(() => {
    server.close();
    gone();
  });
  const dump = {
    bytes: 2 * 32_768 * 8,
    async *pieces() {
      yield someBytes(32_768 * 8);
      await replicaGone;
      yield someBytes(32_768 * 8);
    },
  };
  await expect(propagateOver(client, { dump, idleMillis })).rejects.toMatchObject(refused);
  await replica;
});

test('over TCP the reason arrives, not a broken pipe', async () => {
  const failures: unknown[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const ends = { local: serverAddress, remote: serverAddress, peer: 'kprop' };
    const channel = channelOver(socket, ends);
    fullReplica(channel, 3)
      .then(() => channel.close({ lingerMillis: idleMillis, lingerBytes: 1 << 30 }))
      .catch((error: unknown) => failures.push(error));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const dump = someBytes(64 * 32_768);
  try {
    for (let round = 0; round < 20; round += 1) {
      const channel = await dial('127.0.0.1', port, { connectMillis: 2_000 });
      // What was sent may all lie in the kernel when the reason comes, so the phase may be a later one.
      const { code, detail } = refused;
      const sent = propagateOver(channel, { dump, idleMillis });
      await expect(sent).rejects.toMatchObject({ code, detail });
    }
  } finally {
    listener.close();
  }
  expect(failures).toEqual([]);
});

test('a replica that says something else than KRB-ERROR amid the blocks is not believed', async () => {
  const { client, server } = channelPair();
  const replica = (async () => {
    server.during('playing a replica', idleMillis);
    const { session } = await recvauth(server, { ...acceptor(), application: applicationVersion });
    await readFrame(server, 'size', 1 << 20);
    await confirmDump(server, session, 100 * 32_768);
  })();
  const sent = propagateOver(client, { dump: someBytes(100 * 32_768), idleMillis });
  await expect(sent).rejects.toMatchObject({ code: 'session.bad-response', phase: 'blocks' });
  await replica;
});

test('a replica that refuses while the next piece of the dump is awaited is heard at once', async () => {
  const { client, server } = channelPair();
  const replica = fullReplica(server, 3);
  const dump = {
    bytes: 100 * 32_768,
    async *pieces() {
      yield someBytes(2 * 32_768);
      await new Promise(() => undefined);
    },
  };
  await expect(propagateOver(client, { dump, idleMillis: 0 })).rejects.toMatchObject(refused);
  await replica;
  await server.close();
});

test('a replica that hangs up without an answer is named with the step of the sender', async () => {
  const hangUpAfter = async (channel: Channel, messages: number) => {
    await recvauth(channel, { ...acceptor(), application: applicationVersion });
    for (let read = 0; read < messages; read += 1) await readFrame(channel, 'it', 1 << 20);
    await channel.close();
  };
  const part = someBytes(100);
  const early = channelPair();
  const stalled = {
    bytes: 200,
    async *pieces() {
      yield part;
      await new Promise(() => undefined);
    },
  };
  const stopped = propagateOver(early.client, { dump: stalled, idleMillis });
  await hangUpAfter(early.server, 1);
  await expect(stopped).rejects.toMatchObject({
    code: 'network.failed',
    phase: 'blocks',
    detail: { while: 'sending the database', errno: 'EPIPE' },
  });

  const late = channelPair();
  const dump = {
    bytes: 100,
    async *pieces() {
      yield part;
    },
  };
  const sent = propagateOver(late.client, { dump, idleMillis });
  await hangUpAfter(late.server, 2);
  await expect(sent).rejects.toMatchObject({
    code: 'network.closed',
    phase: 'confirm',
    detail: { while: 'waiting for the replica to load the database' },
  });
});

test.each([
  ['nothing', []],
  ['one block', [someBytes(100)]],
])('a confirmation that is there as soon as %s is sent is one', async (_title, pieces) => {
  const { client, server } = channelPair();
  const dump = dumpOf(pieces);
  const replica = (async () => {
    server.during('playing a replica', idleMillis);
    const { session } = await recvauth(server, { ...acceptor(), application: applicationVersion });
    for (let read = 0; read <= pieces.length; read += 1) await readFrame(server, 'it', 1 << 20);
    await confirmDump(server, session, dump.bytes);
  })();
  // Each write of the primary ends only when the replica's answer, if there is one, has arrived.
  const slow: Channel = Object.create(client, {
    write: {
      value: async (...parts: readonly Uint8Array[]) => {
        await client.write(...parts);
        await new Promise((resolve) => setTimeout(resolve, 20));
      },
    },
    ends: { value: client.ends },
    ...Object.fromEntries(
      (['read', 'take', 'during', 'close'] as const).map((name) => [
        name,
        { value: (client[name] as () => unknown).bind(client) },
      ]),
    ),
  });
  await propagateOver(slow, { dump, idleMillis });
  await replica;
});

test('another size in the confirmation is an error', async () => {
  const { client, server } = channelPair();
  const replica = (async () => {
    server.during('playing a replica', idleMillis);
    const { session } = await recvauth(server, { ...acceptor(), application: applicationVersion });
    for (let read = 0; read < 2; read += 1) await readFrame(server, 'it', 1 << 20);
    await confirmDump(server, session, 99);
  })();
  const sent = propagateOver(client, { dump: someBytes(100), idleMillis });
  await expect(sent).rejects.toMatchObject({
    code: 'kprop.wrong-confirmation',
    message: 'Kpropd sent database size 99, expecting 100',
    phase: 'confirm',
  });
  await replica;
});

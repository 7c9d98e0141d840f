import { expect, test } from 'vitest';

import { FrameReader } from '../../../src/protocol/channel/frame.ts';
import { channelPair } from '../../support/wire/channel-pair.ts';

const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

test('a message is taken once all of it has arrived, however it is cut', async () => {
  const { client, server } = channelPair();
  const messages = new FrameReader(server, 'message', 10);
  for (const byte of [0, 0, 0, 3, 7, 8]) {
    await client.write(Uint8Array.of(byte));
    await soon();
    expect(messages.take()).toBeUndefined();
  }
  await client.write(Uint8Array.of(9, 0, 0, 0, 0));
  await soon();
  expect([...(messages.take() as Uint8Array)]).toEqual([7, 8, 9]);
  expect(messages.take()).toHaveLength(0);
  expect(messages.take()).toBeUndefined();
});

test('a message whose length was taken is read to its end', async () => {
  const { client, server } = channelPair();
  const messages = new FrameReader(server, 'message', 10);
  await client.write(Uint8Array.of(0, 0, 0, 2, 5));
  await soon();
  expect(messages.take()).toBeUndefined();
  const reading = messages.read();
  await client.write(Uint8Array.of(6, 0, 0, 0, 1, 4));
  expect([...(await reading)]).toEqual([5, 6]);
  expect([...(await messages.read())]).toEqual([4]);
});

test('a message that claims too much is refused when its length is taken', async () => {
  const { client, server } = channelPair();
  await client.write(Uint8Array.of(0, 0, 0, 11));
  await soon();
  expect(() => new FrameReader(server, 'message', 10).take()).toThrow(
    expect.objectContaining({ code: 'message.too-long' }),
  );
});

import { expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { channelPair } from '../../support/wire/channel-pair.ts';

const reason = new KpropError('aborted', { reason: 'the load failed' });
const lingers = { lingerMillis: 100, lingerBytes: 1_000 };

test('a read under way is given up; the connection stays, both ways', async () => {
  const { client, server } = channelPair();
  const read = server.read(10);
  server.interrupt(reason);
  await expect(read).rejects.toBe(reason);
  await client.write(Uint8Array.of(1, 2, 3));
  expect(await server.read(3)).toEqual(Uint8Array.of(1, 2, 3));
  await server.write(Uint8Array.of(4));
  expect(await client.read(1)).toEqual(Uint8Array.of(4));
  await Promise.all([client.close(lingers), server.close(lingers)]);
});

test('without a read under way it interrupts the next one that has to wait, and only that', async () => {
  const { client, server } = channelPair();
  server.interrupt(reason);
  await expect(server.read(1)).rejects.toBe(reason);
  const next = server.read(1);
  await client.write(Uint8Array.of(7));
  expect(await next).toEqual(Uint8Array.of(7));
  server.interrupt(reason);
  // It ends as ever: what was given up is not what comes after.
  await Promise.all([client.close(lingers), server.close(lingers)]);
});

import { once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { concat } from '../../../src/protocol/bytes.ts';
import { readFrame } from '../../../src/protocol/channel/frame.ts';
import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import {
  channelPair,
  clientAddress,
  duplexPair,
  serverAddress,
} from '../../support/wire/channel-pair.ts';
import { someBytes } from '../../support/wire/conversation.ts';
import { seededRandom } from '../../support/wire/fixed-ambient.ts';

const ends = { local: clientAddress, remote: serverAddress, peer: 'replica.example port 754' };
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A channel whose other end is a stream of the test. */
function open(o: { signal?: AbortSignal } = {}) {
  const [near, far] = duplexPair();
  return { channel: channelOver(near, { ...ends, ...o }), near, far };
}

describe('reading', () => {
  test('gives exactly what was asked for, however it arrived', async () => {
    const { channel, far } = open();
    const sent = someBytes(50_000);
    const random = seededRandom(1);
    const writing = (async () => {
      for (let at = 0; at < sent.length; ) {
        const end = Math.min(sent.length, at + 1 + random(700));
        far.write(sent.subarray(at, end));
        at = end;
        if (random(8) === 0) await new Promise(setImmediate);
      }
    })();
    const parts: Uint8Array[] = [];
    for (let read = 0; read < sent.length; ) {
      const part = await channel.read(Math.min(sent.length - read, random(900)));
      parts.push(part);
      read += part.length;
    }
    await writing;
    expect(concat(...parts)).toEqual(sent);
    expect(channel.arrived).toBe(0);
  });

  test('takes what has arrived, and waits for nothing', async () => {
    const { channel, far } = open();
    expect(channel.take(1)).toBeUndefined();
    expect(channel.take(0)).toHaveLength(0);
    far.write(Uint8Array.of(1, 2, 3));
    await soon();
    expect(channel.arrived).toBe(3);
    expect(channel.take(4)).toBeUndefined();
    expect([...channel.take(2)!]).toEqual([1, 2]);
    expect([...(await channel.read(1))]).toEqual([3]);
  });

  test('a read does not lift the idle limit of a write', async () => {
    const { channel, far } = open();
    channel.during('sending', 60);
    const writing = channel.write(someBytes(200_000));
    const reading = channel.read(4);
    far.write(Uint8Array.of(1, 2, 3, 4));
    await reading;
    await expect(writing).rejects.toMatchObject({ code: 'network.timeout' });
  });

  test('two at once are a bug of the caller', async () => {
    const { channel, far } = open();
    const first = channel.read(1);
    expect(() => channel.read(1)).toThrow('two reads at once');
    far.write(Uint8Array.of(9));
    expect([...(await first)]).toEqual([9]);
  });

  test('holds a sender back that is not read from', async () => {
    const { channel, near, far } = open();
    const chunk = new Uint8Array(64 * 1024);
    let written = 0;
    while (written < 64 && !far.writableNeedDrain) {
      far.write(chunk);
      written += 1;
      await new Promise(setImmediate);
    }
    await soon();
    expect(near.isPaused()).toBe(true);
    expect(channel.arrived).toBeLessThan(1.2 * (1 << 20));
    const all = written * chunk.length;
    for (let read = 0; read < all; read += 65_536) await channel.read(65_536);
    expect(near.isPaused()).toBe(false);
  });

  test('a message larger than what is held back still arrives', async () => {
    const { channel, far } = open();
    const message = new Uint8Array(5 << 20).fill(7);
    far.write(message);
    expect(await channel.read(message.length)).toHaveLength(message.length);
  });

  test('a length is not believed: memory grows with what arrives', async () => {
    const { channel, far } = open();
    far.write(Uint8Array.of(0, 255, 255, 255, 1, 2, 3));
    const before = process.memoryUsage().arrayBuffers;
    const reading = readFrame(channel, 'block', 16 << 20);
    await soon();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20);
    expect(channel.arrived).toBe(3);
    far.end();
    await expect(reading).rejects.toMatchObject({ code: 'network.closed' });
  });

  test('one byte over the limit of a message is too long, unread', async () => {
    const { channel, far } = open();
    far.write(Uint8Array.of(0, 0, 0, 5));
    await expect(readFrame(channel, 'size', 4)).rejects.toMatchObject({
      code: 'message.too-long',
      detail: { what: 'size', bytes: 5, limit: 4 },
    });
  });
});

describe('the end of the other side', () => {
  test('comes after all that it had written', async () => {
    const { channel, far } = open();
    channel.during('reading the database size', 0);
    far.end(Uint8Array.of(1, 2, 3));
    expect([...(await channel.read(3))]).toEqual([1, 2, 3]);
    await expect(channel.read(1)).rejects.toMatchObject({
      code: 'network.closed',
      detail: { peer: ends.peer, while: 'reading the database size' },
    });
    await expect(channel.read(1)).rejects.toMatchObject({ code: 'network.closed' });
  });

  test('within a message is an error, and what came can still be taken', async () => {
    const { channel, far } = open();
    const reading = channel.read(4);
    far.end(Uint8Array.of(1, 2));
    await expect(reading).rejects.toMatchObject({ code: 'network.closed' });
    expect([...channel.take(2)!]).toEqual([1, 2]);
  });

  test('leaves our side open: we may still write', async () => {
    const { channel, far } = open();
    const heard = once(far, 'data');
    far.end();
    await soon();
    await channel.write(Uint8Array.of(5));
    expect([...((await heard)[0] as Uint8Array)]).toEqual([5]);
  });

  test('with an error fails whatever waits', async () => {
    const { channel, near } = open();
    channel.during('sending', 0);
    const reading = channel.read(1);
    near.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    const failure = {
      code: 'network.failed',
      detail: { peer: ends.peer, while: 'sending', errno: 'ECONNRESET' },
    };
    await expect(reading).rejects.toMatchObject(failure);
    await expect(channel.write(Uint8Array.of(1))).rejects.toMatchObject(failure);
    await expect(channel.read(1)).rejects.toMatchObject(failure);
  });

  test('ends a write that waits, even after the other side has ended its own', async () => {
    const { channel, near, far } = open();
    far.end();
    await soon();
    const writing = channel.write(new Uint8Array(1 << 20));
    near.destroy();
    await expect(writing).rejects.toBeInstanceOf(KpropError);
    await expect(channel.write(Uint8Array.of(1))).rejects.toBeInstanceOf(KpropError);
  });
});

describe('writing', () => {
  test('waits while the other side does not read, and goes on when it does', async () => {
    const { channel, far } = open();
    let done = false;
    const writing = channel.write(new Uint8Array(1 << 20)).then(() => {
      done = true;
    });
    await soon();
    expect(done).toBe(false);
    far.resume();
    await writing;
  });

  test('sends its parts in order', async () => {
    const { client, server } = channelPair();
    await client.write(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3));
    expect([...(await server.read(3))]).toEqual([1, 2, 3]);
  });
});

describe('the idle limit', () => {
  const timeout = (what: string, millis: number) => ({
    code: 'network.timeout',
    detail: { peer: ends.peer, while: what, millis },
  });

  test('ends a read for which nothing comes', async () => {
    const { channel } = open();
    channel.during('waiting', 30);
    await expect(channel.read(1)).rejects.toMatchObject(timeout('waiting', 30));
    await expect(channel.write(Uint8Array.of(1))).rejects.toMatchObject(timeout('waiting', 30));
  });

  test('ends a write that waits', async () => {
    const { channel } = open();
    channel.during('sending', 30);
    const writing = channel.write(new Uint8Array(1 << 20));
    await expect(writing).rejects.toMatchObject(timeout('sending', 30));
  });

  test('begins anew with every byte', async () => {
    const { channel, far } = open();
    channel.during('receiving', 150);
    const reading = channel.read(6);
    for (let byte = 0; byte < 6; byte += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      far.write(Uint8Array.of(byte));
    }
    expect([...(await reading)]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('does not run while nothing waits, and can be lifted', async () => {
    const { channel, far } = open();
    channel.during('receiving', 10);
    await soon();
    far.write(Uint8Array.of(1));
    expect([...(await channel.read(1))]).toEqual([1]);
    const reading = channel.read(1);
    channel.during('waiting for the load', 0);
    await soon();
    await soon();
    far.write(Uint8Array.of(2));
    expect([...(await reading)]).toEqual([2]);
  });
});

describe('an abort', () => {
  test('ends what waits, with the reason of the signal, and the stream', async () => {
    const control = new AbortController();
    const { channel, near } = open({ signal: control.signal });
    const reading = channel.read(1);
    control.abort(new KpropError('server.timeout', { millis: 5 }));
    await expect(reading).rejects.toMatchObject({ code: 'server.timeout' });
    expect(near.destroyed).toBe(true);
  });

  test('before the beginning is one', async () => {
    const { channel } = open({ signal: AbortSignal.abort('enough') });
    const aborted = { code: 'aborted', detail: { reason: 'enough' } };
    await expect(channel.read(1)).rejects.toMatchObject(aborted);
    await expect(channel.write(Uint8Array.of(1))).rejects.toMatchObject(aborted);
  });

  test('after the end does nothing, and the signal has no listener any more', async () => {
    const control = new AbortController();
    const { channel } = open({ signal: control.signal });
    channel.close();
    control.abort();
    await expect(channel.read(1)).rejects.toMatchObject({
      code: 'aborted',
      detail: { reason: 'the connection was closed on this side' },
    });
  });
});

import { expect, test } from 'vitest';

import { channelOver } from '../../../src/protocol/channel/stream-channel.ts';
import { clientAddress, duplexPair, serverAddress } from '../../support/wire/channel-pair.ts';
import { converse } from '../../support/wire/conversation.ts';

/** A dump that begins and then never goes on, as one from a program that hangs. */
function stalled(o: { readonly onStop?: () => void } = {}) {
  return {
    bytes: 100_000,
    async *pieces() {
      try {
        yield new Uint8Array(40_000);
        await new Promise(() => undefined);
      } finally {
        o.onStop?.();
      }
    },
  };
}

test('a dump that stops coming ends by the idle limit', async () => {
  const { clientError, received } = await converse({ dump: stalled(), idleMillis: 200 });
  expect(clientError).toMatchObject({ fault: 'network', phase: 'blocks' });
  expect(received).toBeUndefined();
});

test('a dump that stops coming does not outlive an abort', async () => {
  const control = new AbortController();
  setTimeout(() => control.abort(new Error('enough')), 100);
  const { clientError, received } = await converse({
    dump: stalled(),
    idleMillis: 0,
    clientSignal: control.signal,
  });
  expect(clientError).toMatchObject({ code: 'aborted', phase: 'blocks' });
  expect(received).toBeUndefined();
});

test('a replica that hangs up is noticed while the dump stalls', async () => {
  const control = new AbortController();
  setTimeout(() => control.abort(new Error('the replica is shutting down')), 100);
  const { clientError } = await converse({
    dump: stalled(),
    idleMillis: 0,
    serverSignal: control.signal,
  });
  expect(clientError).toMatchObject({ phase: 'blocks' });
});

test('a message that comes byte by byte is read like any other', async () => {
  const [near] = duplexPair();
  const channel = channelOver(near, { local: clientAddress, remote: serverAddress, peer: 'p' });
  const reading = channel.read(150_000);
  for (let at = 0; at < 150_000; at += 1) near.push(Uint8Array.of(at & 0xff));
  const message = await reading;
  expect(message.length).toBe(150_000);
  expect(message[255]).toBe(255);
  channel.close();
});

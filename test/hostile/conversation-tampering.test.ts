import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { KpropError } from '../../src/errors/kprop-error.ts';
import { makeKrbError } from '../../src/protocol/krb5/messages/error.ts';
import { memoryReplayCache } from '../../src/protocol/krb5/session/replay.ts';
import {
  type Alter,
  type ConversationOptions,
  converse,
  messageTap,
  type Outcome,
  someBytes,
} from '../support/wire/conversation.ts';
import { enctypes } from '../support/wire/enctypes.ts';
import { nowMicros, replicaName } from '../support/wire/forge.ts';

/** Three blocks: version, version, AP-REQ, size, block, block, block. */
const dump = someBytes(2 * 32_768 + 5);
const fromClient = ['sendauth version', 'version', 'AP-REQ', 'size', 'block', 'block', 'block'];
/** The answer to the versions, acceptance, AP-REP, confirmation. */
const fromServer = ['answer to the versions', 'acceptance', 'AP-REP', 'confirmation'];

const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeAll(() => void process.on('unhandledRejection', note));
afterAll(() => {
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});

/** A propagation with altered messages: it ends, and nobody believes what is not so. */
async function thwarted(
  alter: { readonly toServer?: Alter; readonly toClient?: Alter },
  o: Partial<ConversationOptions> = {},
): Promise<Outcome> {
  const outcome = await converse({
    dump,
    idleMillis: 60,
    ...(alter.toServer && { toServer: messageTap(alter.toServer) }),
    ...(alter.toClient && { toClient: messageTap(alter.toClient, { bareBytes: 1 }) }),
    ...o,
  });
  for (const error of [outcome.clientError, outcome.serverError]) {
    if (error !== undefined && !(error instanceof KpropError)) throw error;
  }
  // The primary never takes for done what is not; the replica never has anything but the dump.
  expect(outcome.clientError).toBeInstanceOf(KpropError);
  if (outcome.received !== undefined) {
    expect(Buffer.from(outcome.received).equals(dump)).toBe(true);
  }
  return outcome;
}

const pass: Alter = (message) => [message];
const at =
  (index: number, alter: Alter): Alter =>
  (message, position) =>
    position === index ? alter(message, position) : [message];

/** One bit of the byte at this fraction of the message. */
const flip =
  (fraction: number, bit: number): Alter =>
  (message) => {
    const byte = Math.min(message.length - 1, Math.floor(message.length * fraction));
    return [message.with(byte, (message[byte] as number) ^ (1 << bit))];
  };

describe.each(fromClient.map((what, index) => ({ what, index })))(
  'the $what of the primary',
  ({ index }) => {
    // The first half of an AP-REQ is the ticket; its outermost parts are tried in accept.test.ts.
    test.each([0.3, 0.5, 0.75, 0.99])('with a bit flipped at %f', async (fraction) => {
      const outcome = await thwarted({ toServer: at(index, flip(fraction, index % 8)) });
      expect(outcome.serverError).toBeInstanceOf(KpropError);
      expect(outcome.received).toBeUndefined();
    });

    test('left out', async () => {
      const outcome = await thwarted({ toServer: at(index, () => []) });
      expect(outcome.received).toBeUndefined();
    });

    test('said twice', async () => {
      const alter = { toServer: at(index, (message) => [message, message]) };
      if (index === fromClient.length - 1) {
        // The replica has all it wants before the repetition, and never reads it.
        const outcome = await converse({ dump, toServer: messageTap(alter.toServer) });
        expect(outcome.clientError ?? outcome.serverError).toBeUndefined();
        return;
      }
      const outcome = await thwarted(alter);
      expect(outcome.received).toBeUndefined();
    });

    test('and nothing after it', async () => {
      await thwarted({ toServer: at(index, ({ length }) => ({ cutAfterBytes: 4 + length })) });
    });

    test.each([0, 1, 4, 5])('cut after %i bytes', async (cutAfterBytes) => {
      const outcome = await thwarted({ toServer: at(index, () => ({ cutAfterBytes })) });
      expect(outcome.serverError).toMatchObject({ code: 'network.closed' });
    });

    test('cut before its last byte', async () => {
      const outcome = await thwarted({
        toServer: at(index, ({ length }) => ({ cutAfterBytes: 3 + length })),
      });
      expect(outcome.serverError).toMatchObject({ code: 'network.closed' });
    });

    test('empty', async () => {
      const outcome = await thwarted({ toServer: at(index, () => [new Uint8Array(0)]) });
      expect(outcome.serverError).toBeInstanceOf(KpropError);
    });

    test('a KRB-ERROR in its place', async () => {
      const refusal = krbError(12, 'no more');
      const outcome = await thwarted({ toServer: at(index, () => [refusal]) });
      if (index < 2) expect(outcome.serverError).toBeInstanceOf(KpropError);
      else if (index === 2)
        expect(outcome.serverError).toMatchObject({ code: 'message.unexpected' });
      else {
        const detail = { peer: 'the client', number: 12, text: 'no more' };
        expect(outcome.serverError).toMatchObject({ code: 'peer.refused', detail });
      }
    });
  },
);

describe.each(fromServer.map((what, index) => ({ what, index })))(
  'the $what of the replica',
  ({ index }) => {
    if (index !== 1) {
      test.each([0, 0.3, 0.5, 0.75, 0.99])('with a bit flipped at %f', async (fraction) => {
        await thwarted({ toClient: at(index, flip(fraction, index)) });
      });
    }

    test('left out', async () => {
      await thwarted({ toClient: at(index, () => []) });
    });

    test('said twice', async () => {
      const toClient = at(index, (message) => [message, message]);
      // More than the last word is never read.
      if (index < fromServer.length - 1) await thwarted({ toClient });
    });

    test('cut', async () => {
      const cuts = index === 0 ? [0, 1] : [0, 1, 4, 5, 30];
      for (const cutAfterBytes of cuts) {
        const outcome = await thwarted({ toClient: at(index, () => ({ cutAfterBytes })) });
        expect(outcome.clientError).toMatchObject({
          code: expect.stringMatching(/^network\.(closed|failed)$/),
        });
      }
    });

    if (index === 0) return;
    test('a KRB-ERROR in its place', async () => {
      const refusal = krbError(31, 'Decrypt integrity check failed');
      const outcome = await thwarted({ toClient: at(index, () => [refusal]) });
      expect(outcome.clientError).toMatchObject({
        code: 'peer.refused',
        detail: { peer: 'the server', number: 31, text: 'Decrypt integrity check failed' },
      });
    });
  },
);

describe.each(enctypes)('blocks with enctype %i', (enctype) => {
  const held: Uint8Array[] = [];
  const swap: Alter = (message, index) => {
    if (index === 4) held[0] = message;
    if (index === 4) return [];
    return index === 5 ? [message, held[0] as Uint8Array] : [message];
  };
  test.each<[string, Alter]>([
    ['in another order', swap],
    [
      'one repeated in place of the next',
      (m, i) => {
        if (i === 4) held[0] = m;
        return [i === 5 ? (held[0] as Uint8Array) : m];
      },
    ],
    ['one left out', at(5, () => [])],
    ['with a bit flipped in the middle', at(5, flip(0.5, 3))],
    ['with a bit flipped in the last byte', at(6, flip(1, 0))],
    ['with the last byte missing', at(5, (message) => [message.subarray(0, -1)])],
    ['with a byte behind', at(5, (message) => [Uint8Array.of(...message, 0)])],
  ])('%s', async (_title, toServer) => {
    const outcome = await thwarted({ toServer }, { enctype });
    expect(outcome.received).toBeUndefined();
    expect(outcome.serverError).toBeInstanceOf(KpropError);
  });
});

describe('what one propagation said, in another with the same ticket', () => {
  const replay = memoryReplayCache(300);
  const earlier: Uint8Array[] = [];
  beforeAll(async () => {
    const toServer = messageTap((message) => {
      earlier.push(message);
      return [message];
    });
    await converse({ dump, toServer, acceptor: { replay } });
  });

  test.each([3, 4, 5, 6])('message %i is out of order', async (index) => {
    const toServer = at(index, () => [earlier[index] as Uint8Array]);
    const outcome = await thwarted({ toServer }, { seed: 2 });
    expect(outcome.received).toBeUndefined();
    expect(outcome.serverError).toMatchObject({
      // The second block is chained to another first one.
      code: index > 4 ? 'crypto.integrity' : 'session.out-of-order',
    });
  });

  test('all of it is a replay', async () => {
    const toServer: Alter = (_message, index) => [earlier[index] as Uint8Array];
    const outcome = await thwarted({ toServer }, { seed: 2, acceptor: { replay } });
    expect(outcome.serverError).toMatchObject({ code: 'auth.replay' });
    expect(outcome.clientError).toMatchObject({
      code: 'peer.refused',
      detail: { number: 34, text: 'Request is a replay' },
    });
  });
});

test('nothing altered, the taps let everything pass', async () => {
  const outcome = await converse({
    dump,
    toServer: messageTap(pass),
    toClient: messageTap(pass, { bareBytes: 1 }),
  });
  expect(outcome.clientError ?? outcome.serverError).toBeUndefined();
});

function krbError(number: number, text: string): Uint8Array {
  return makeKrbError({ from: 'server', nowMicros, number, text, server: replicaName });
}

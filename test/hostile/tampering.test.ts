import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { KpropError } from '../../src/errors/kprop-error.ts';
import { framed, writeFrame } from '../../src/protocol/channel/frame.ts';
import { encodeSize } from '../../src/protocol/kprop/size.ts';
import {
  flipped,
  frames,
  honest,
  labCredential,
  type Middleman,
  openInsider,
  type Rule,
  startMiddleman,
} from '../support/rig/attacker.ts';
import { ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';

let rig: ReplicaRig;
let server: RigServer;
let middleman: Middleman;
/** Each message of an honest propagation, its length before it. */
let recorded: readonly Uint8Array[];

beforeAll(async () => {
  rig = await ReplicaRig.open();
  server = await rig.serve({
    limits: { authenticateMillis: 300, idleMillis: 300, totalMillis: 20_000 },
  });
  middleman = await startMiddleman(server.port, honest);
  await rig.send(middleman.port);
  recorded = middleman.seen;
  await rig.expectServes(server);
  rig.holdGood();
});
afterAll(async () => {
  await middleman?.close();
  await rig.close();
});

/** A propagation under this rule fails and does no harm; the error that the replica saw. */
async function thwarted(rule: Rule, o: { readonly thenSends?: boolean } = {}): Promise<KpropError> {
  const before = server.errors.length;
  middleman.rule = rule;
  await rig.survives(server, () => rig.failure(middleman.port), o);
  expect(server.errors).toHaveLength(before + 1);
  return server.errors.at(-1) as KpropError;
}

test('the recording has every kind of message, and more than two blocks', () => {
  expect(recorded.length).toBeGreaterThan(frames.firstBlock + 2);
  expect(recorded[frames.apReq]?.[4]).toBe(0x6e);
  expect(recorded[frames.size]?.[4]).toBe(0x74);
  for (const block of recorded.slice(frames.firstBlock)) expect(block[4]).toBe(0x75);
});

describe('a connection that is cut', () => {
  const places = ['sendauth version', 'application version', 'AP-REQ', 'size', 'first block'];

  test.each([...places, 'second block', 'last block'])('before and inside: %s', async (place) => {
    const at =
      place === 'last block' ? recorded.length - 1 : [...places, 'second block'].indexOf(place);
    const whole = (recorded[at] as Uint8Array).length;
    for (const bytes of [0, 1, 4, 5, whole >> 1, whole - 1]) {
      const rule: Rule = (frame, index, wire) => {
        if (index < at) return wire.send(frame);
        wire.send(frame.subarray(0, Math.min(bytes, frame.length - 1)));
        wire.cut();
      };
      const error = await thwarted(rule, { thenSends: bytes === 0 });
      const phase = at <= frames.apReq ? 'authenticate' : at === frames.size ? 'size' : 'blocks';
      expect(error, `${bytes} bytes`).toMatchObject({ phase });
      expect(error.code).toMatch(/^network\.(closed|failed)$/);
    }
  });

  test("the same for MIT's kprop", async () => {
    for (const at of [frames.size, frames.firstBlock, frames.firstBlock + 1]) {
      middleman.rule = (frame, index, wire) => {
        if (index < at) return wire.send(frame);
        wire.send(frame.subarray(0, frame.length >> 1));
        wire.cut();
      };
      await rig.survives(server, async () => {
        const sent = await rig.lab.mitKprop({ port: middleman.port, file: rig.other });
        expect(sent).toMatchObject({ status: 1, stdout: '' });
      });
    }
  });

  test('behind the last block: the dump is whole, and is loaded', async () => {
    middleman.rule = (frame, index, wire) => {
      wire.send(frame);
      if (index === recorded.length - 1) wire.cut();
    };
    expect((await rig.failure(middleman.port)).code).toMatch(/^network\./);
    await server.settled();
    expect(await rig.holdsOther()).toBe(true);
    await rig.expectServes(server);
    rig.holdGood();
  });
});

describe('one bit that is turned over', () => {
  const offsets = [0, 1, 2, 3, 4, 5, 8, 16, 0.25, 0.5, 0.75, 0.999];

  test.each([0, 1, 2, 3, 4, 5, 'last'])('in message %s', async (message) => {
    const at = message === 'last' ? recorded.length - 1 : Number(message);
    for (const place of offsets) {
      const rule: Rule = (frame, index, wire) => {
        const offset = Number.isInteger(place) ? place : Math.floor(place * frame.length);
        wire.send(index === at ? flipped(frame, Math.min(offset, frame.length - 1)) : frame);
      };
      const error = await thwarted(rule, { thenSends: place === 0.5 });
      expect(error.code).toMatch(/^(crypto|decode|message|session|auth|network|peer)\./);
    }
  });
});

describe('messages that are not what was said', () => {
  const { size, firstBlock, apReq } = frames;
  const twice =
    (at: number): Rule =>
    (frame, index, wire) => {
      wire.send(frame);
      if (index === at) wire.send(frame);
    };
  const without =
    (at: number): Rule =>
    (frame, index, wire) => {
      if (index !== at) wire.send(frame);
    };
  const swapped = (at: number): Rule => {
    let kept = new Uint8Array(0);
    return (frame, index, wire) => {
      if (index === at) kept = Uint8Array.from(frame);
      else wire.send(frame);
      if (index === at + 1) wire.send(kept);
    };
  };
  const replaced =
    (at: number, by: () => Uint8Array): Rule =>
    (frame, index, wire) => {
      wire.send(index === at ? by() : frame);
    };
  const old = (at: number) => () => recorded[at] as Uint8Array;

  test.each<readonly [string, Rule, string]>([
    ['the AP-REQ twice', twice(apReq), 'decode'],
    ['the size twice', twice(size), 'decode'],
    ['the first block twice', twice(firstBlock), 'crypto.integrity'],
    ['the second block twice', twice(firstBlock + 1), 'crypto.integrity'],
    ['no sendauth version', without(0), 'session.bad-sendauth-version'],
    ['no application version', without(1), 'network.timeout'],
    ['no AP-REQ', without(apReq), 'network.timeout'],
    ['no size', without(size), 'message.too-long'],
    ['no first block', without(firstBlock), 'crypto.integrity'],
    ['no second block', without(firstBlock + 1), 'crypto.integrity'],
    ['the versions exchanged', swapped(0), 'session.bad-sendauth-version'],
    ['a block before the size', swapped(size), 'message.too-long'],
    ['two blocks exchanged', swapped(firstBlock), 'crypto.integrity'],
    ['the size of another connection', replaced(size, old(size)), 'crypto.integrity'],
    ['a block of another connection', replaced(firstBlock, old(firstBlock)), 'crypto.integrity'],
    ['the AP-REQ of another connection', replaced(apReq, old(apReq)), 'auth.replay'],
    ['an empty message for a block', replaced(firstBlock, () => new Uint8Array(4)), 'decode'],
  ])('%s', async (_what, rule, code) => {
    expect((await thwarted(rule)).code).toContain(code);
  });

  test('the last block is left out', async () => {
    const error = await thwarted(without(recorded.length - 1));
    expect(error).toMatchObject({ code: 'network.timeout', phase: 'blocks' });
  });

  test('a message more at the end is not taken for part of the dump', async () => {
    middleman.rule = twice(recorded.length - 1);
    await rig.send(middleman.port);
    expect(await rig.holdsOther()).toBe(true);
    await rig.expectServes(server);
    rig.holdGood();
  });
});

describe('sequence numbers that are wrong, from one who has the key', () => {
  test('of the size', async () => {
    const credential = await labCredential(rig.lab);
    await rig.survives(server, async () => {
      const { channel, session, refusal } = await openInsider(server.port, credential);
      session.makeSafe(encodeSize(1));
      await writeFrame(channel, session.makeSafe(encodeSize(1)));
      expect(await refusal()).toMatchObject({
        detail: { number: 42, text: 'while decoding database size' },
      });
      channel.close();
    });
    expect(server.errors.at(-1)).toMatchObject({ code: 'session.out-of-order', phase: 'size' });
  });

  test('of a block, with the chain unbroken', async () => {
    const credential = await labCredential(rig.lab);
    await rig.survives(server, async () => {
      const { channel, session, refusal } = await openInsider(server.port, credential);
      await writeFrame(channel, session.makeSafe(encodeSize(20)));
      const seal = session.sealer();
      await channel.write(...framed(...seal(new Uint8Array(5).fill(65)).flat()));
      session.makeSafe(encodeSize(1));
      await channel.write(...framed(...seal(new Uint8Array(5).fill(66)).flat()));
      expect(await refusal()).toMatchObject({
        detail: { number: 42, text: 'while decoding database block starting at offset 5' },
      });
      channel.close();
    });
    expect(server.errors.at(-1)).toMatchObject({ code: 'session.out-of-order', phase: 'blocks' });
  });
});

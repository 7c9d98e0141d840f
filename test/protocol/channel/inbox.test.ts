import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { concat } from '../../../src/protocol/bytes.ts';
import { Inbox } from '../../../src/protocol/channel/inbox.ts';
import { seededRandom } from '../../support/wire/fixed-ambient.ts';

// Work that grew with the square of their number would outlast the patience of any test.
test('sixteen million bytes, one at a time, are gathered', () => {
  const inbox = new Inbox();
  for (let at = 0; at < 1 << 24; at += 1) inbox.push(Uint8Array.of(at & 0xff));
  const all = inbox.take(1 << 24);
  expect(all?.length).toBe(1 << 24);
  expect(all?.[258]).toBe(2);
  expect(inbox.arrived).toBe(0);
});

test('pieces of any size come out as one stream, however it is cut', () => {
  const random = seededRandom(7);
  const sent: Uint8Array[] = [];
  const got: Uint8Array[] = [];
  const inbox = new Inbox();
  let value = 0;
  for (let round = 0; round < 3000; round += 1) {
    const length = [1, 3, 100, 4095, 4096, 9000][random(6)] ?? 1;
    const chunk = Uint8Array.from({ length }, () => {
      value = (value + 1) & 0xff;
      return value;
    });
    sent.push(chunk);
    inbox.push(chunk);
    const taken = inbox.take(random(20_000));
    if (taken !== undefined) got.push(taken);
  }
  got.push(inbox.take(inbox.arrived) ?? new Uint8Array(0));
  expect(Buffer.compare(concat(...got), concat(...sent))).toBe(0);
});

test('gives nothing that has not arrived', () => {
  const inbox = new Inbox();
  inbox.push(Uint8Array.of(1, 2));
  expect(inbox.take(3)).toBeUndefined();
  expect(inbox.take(2)).toEqual(Uint8Array.of(1, 2));
});

test('bytes read into its memory come out in order among pieces that were pushed', () => {
  const inbox = new Inbox();
  const taken: number[] = [];
  for (let value = 0; value < 200; value += 1) {
    const bytes = new Uint8Array(value % 3 === 0 ? 5000 : 30_000).fill(value);
    if (value % 2 === 0) inbox.push(bytes);
    else {
      for (let at = 0; at < bytes.length; ) {
        const room = inbox.room();
        const part = bytes.subarray(at, at + room.length);
        room.set(part);
        inbox.filled(part.length);
        at += part.length;
      }
    }
    // Not what is there as a whole: the rest goes on into the next.
    const some = inbox.take(inbox.arrived - 7);
    taken.push(...new Set(some));
  }
  taken.push(...new Set(inbox.take(7)));
  expect([...new Set(taken)]).toEqual(Array.from({ length: 200 }, (_, value) => value));
  expect(taken).toEqual(taken.toSorted((one, other) => one - other));
});

test('bytes that are discarded are only counted, and share one piece of memory', () => {
  const inbox = new Inbox();
  inbox.push(new Uint8Array(5000));
  let counted = 0;
  inbox.discard((byteCount) => {
    counted += byteCount;
  });
  expect(inbox.arrived).toBe(0);
  const room = inbox.room();
  inbox.filled(room.length);
  inbox.push(new Uint8Array(10));
  expect(inbox.room().buffer).toBe(room.buffer);
  expect(counted).toBe(room.length + 10);
  expect(inbox.take(1)).toBeUndefined();
});

test('what was taken is not kept, though the inbox is never empty', async () => {
  const inbox = new Inbox();
  let kept = 0;
  const registry = new FinalizationRegistry(() => {
    kept -= 1;
  });
  inbox.push(new Uint8Array(10_000));
  for (let round = 0; round < 500; round += 1) {
    const chunk = new Uint8Array(10_000);
    registry.register(chunk, undefined);
    kept += 1;
    inbox.push(chunk);
    inbox.take(10_000);
  }
  // Only the collector knows, and it tells in a later turn.
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  for (let turn = 0; turn < 20 && kept > 1; turn += 1) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(kept).toBeLessThanOrEqual(1);
});

test('a peer that sends little costs little memory, and one that sends more costs more', () => {
  const inbox = new Inbox();
  const sizes = new Set<number>();
  for (let round = 0; round < 2000; round += 1) {
    sizes.add(inbox.room().buffer.byteLength);
    inbox.filled(1);
  }
  expect([...sizes]).toEqual([4096]);
  for (let round = 0; round < 100; round += 1) {
    const room = inbox.room();
    sizes.add(room.buffer.byteLength);
    inbox.filled(room.length);
    inbox.take(inbox.arrived);
  }
  expect(Math.max(...sizes)).toBe(1 << 18);
});

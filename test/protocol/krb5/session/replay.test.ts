import { expect, test } from 'vitest';

import { profileOf } from '../../../../src/protocol/krb5/crypto/profiles.ts';
import { memoryReplayCache, replayTag } from '../../../../src/protocol/krb5/session/replay.ts';
import { fromHex, toHex } from '../../../support/wire/transcripts.ts';

test.each([
  [17, 12, 88, 100],
  [18, 12, 88, 100],
  [19, 16, 84, 96],
  [20, 24, 76, 88],
  [16, 20, 80, 92],
  [23, 16, 84, 96],
  [25, 16, 84, 96],
  [26, 16, 84, 96],
])('the tag of enctype %i: the first 12 of the last %i bytes', (enctype, macBytes, from, to) => {
  const cipher = Uint8Array.from({ length: 100 }, (_, at) => at);
  expect(profileOf(enctype).macBytes).toBe(macBytes);
  expect(replayTag(cipher, profileOf(enctype).macBytes)).toEqual(cipher.slice(from, to));
});

test('the tag of a recorded AP-REQ', () => {
  const end = fromHex('e4e931bfb1be0c0ce98ed7005eed');
  expect(toHex(replayTag(end, 12))).toBe('31bfb1be0c0ce98ed7005eed');
});

test('the tag of a cipher shorter than that is padded with zeros', () => {
  expect(toHex(replayTag(fromHex('010203'), 16))).toBe('010203000000000000000000');
  expect(toHex(replayTag(new Uint8Array(0), 16))).toBe('000000000000000000000000');
});

test('a tag is taken once, while an authenticator can live', async () => {
  const cache = memoryReplayCache(300);
  const [one, two] = [fromHex('01'), fromHex('02')];
  await cache.store(one, 1000, 'a');
  await cache.store(two, 1000, 'a');
  const seen = { code: 'auth.replay', detail: { client: 'b' } };
  await expect(cache.store(one, 1000, 'b')).rejects.toMatchObject(seen);
  // 300 s ahead of our clock at first, 300 s behind it at last.
  await expect(cache.store(one, 1600, 'b')).rejects.toMatchObject(seen);
  await expect(cache.store(two, 1600, 'b')).rejects.toMatchObject(seen);
});

test('a tag is forgotten when its authenticator must be stale', async () => {
  const cache = memoryReplayCache(300);
  await cache.store(fromHex('01'), 1000, 'a');
  await cache.store(fromHex('01'), 1601, 'a');
  await expect(cache.store(fromHex('01'), 1601, 'a')).rejects.toMatchObject({
    code: 'auth.replay',
  });
});

test('ten thousand authenticators in one second are told apart', async () => {
  const cache = memoryReplayCache(300);
  const tag = (number: number) => Uint8Array.of(number >> 8, number & 0xff);
  for (let number = 0; number < 10_000; number += 1) await cache.store(tag(number), 1000, 'a');
  await expect(cache.store(tag(7), 1000, 'a')).rejects.toMatchObject({ code: 'auth.replay' });
});

test('a clock that was set back causes no refusal, and accepts no authenticator twice', async () => {
  const cache = memoryReplayCache(300);
  await cache.store(fromHex('01'), 1_000_000, 'a');
  // A day earlier, other authenticators are new; the old one is not, when its time comes again.
  await cache.store(fromHex('02'), 913_600, 'a');
  await cache.store(fromHex('02'), 914_201, 'a');
  await expect(cache.store(fromHex('01'), 1_000_100, 'a')).rejects.toMatchObject({
    code: 'auth.replay',
  });
});

import { expect, test } from 'vitest';

import { systemAmbient } from '../../src/protocol/ambient.ts';

const second = 1_000_000;

test('a thousand times of one millisecond are told apart, and follow the clock', () => {
  let millis = 1_795_355_239_516;
  const ambient = systemAmbient(() => millis);
  const times = Array.from({ length: 1_000 }, () => ambient.nowMicros());
  expect(new Set(times).size).toBe(1_000);
  expect(times.at(-1)).toBe(millis * 1_000 + 999);
  millis += 5;
  expect(ambient.nowMicros()).toBe(millis * 1_000);
});

test('a clock that is set back by less than a second gives no time twice', () => {
  let millis = 1_795_355_239_516;
  const ambient = systemAmbient(() => millis);
  const before = ambient.nowMicros();
  millis -= 900;
  expect(ambient.nowMicros()).toBe(before + 1);
});

test.each([1.001, 60, 3_600, 10 * 365 * 86_400])(
  'a clock that is set back by %d seconds is believed at once',
  (seconds) => {
    let millis = 1_795_355_239_516;
    const ambient = systemAmbient(() => millis);
    ambient.nowMicros();
    millis -= seconds * 1_000;
    const now = ambient.nowMicros();
    expect(now).toBe(millis * 1_000);
    expect(ambient.nowMicros()).toBe(now + 1);
  },
);

test('however many times are drawn, they are never a second ahead of the clock', () => {
  const ambient = systemAmbient(() => 1_795_355_239_516);
  let latest = 0;
  for (let drawn = 0; drawn < 1_000_100; drawn += 1) latest = Math.max(latest, ambient.nowMicros());
  expect(latest - 1_795_355_239_516_000).toBe(second);
});

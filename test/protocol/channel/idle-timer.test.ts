import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { IdleTimer } from '../../../src/protocol/channel/idle-timer.ts';

test('a limit of many days does not become one of a millisecond', async () => {
  const told: number[] = [];
  const timer = new IdleTimer((millis) => told.push(millis));
  timer.set(30 * 86_400_000);
  timer.restart();
  await sleep(50);
  timer.stop();
  expect(told).toEqual([]);
});

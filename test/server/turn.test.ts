import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { Turns } from '../../src/server/turn.ts';

test('one at a time, in the order in which they asked, however those before them end', async () => {
  const turns = new Turns();
  const log: string[] = [];
  const work = (name: string, millis: number, fails = false) =>
    turns.take(async () => {
      log.push(`${name} begins`);
      await sleep(millis);
      log.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    });
  const all = [work('a', 20), work('b', 1, true), work('c', 5), work('d', 0)];
  expect(await Promise.allSettled(all)).toMatchObject([
    { value: 'a' },
    { reason: { message: 'b' } },
    { value: 'c' },
    { value: 'd' },
  ]);
  expect(log).toEqual(['a', 'b', 'c', 'd'].flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test('what throws at once fails its own turn only', async () => {
  const turns = new Turns();
  const broken = turns.take(() => {
    throw new Error('at once');
  });
  const next = turns.take(async () => 'next');
  await expect(broken).rejects.toThrow('at once');
  expect(await next).toBe('next');
});

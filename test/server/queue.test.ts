import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { Queue } from '../../src/server/queue.ts';

test('one piece of work at a time, in order, however those before it end', async () => {
  const queue = new Queue();
  const log: string[] = [];
  const work = (name: string, millis: number, fails = false) =>
    queue.run(async () => {
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

test('work that throws at once fails alone', async () => {
  const queue = new Queue();
  const broken = queue.run(() => {
    throw new Error('at once');
  });
  const next = queue.run(async () => 'next');
  await expect(broken).rejects.toThrow('at once');
  expect(await next).toBe('next');
});

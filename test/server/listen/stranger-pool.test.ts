import { describe, expect, test } from 'vitest';

import { type PoolLimits, StrangerPool } from '../../../src/server/listen/stranger-pool.ts';
import { seededRandom } from '../../support/wire/fixed-ambient.ts';

/** A pool of numbered strangers, with a clock that the test turns. */
function open(limits: PoolLimits) {
  const random = seededRandom(754);
  const clock = { millis: 0 };
  const pool = new StrangerPool<number>(limits, {
    chance: () => random(1_000_000) / 1_000_000,
    nowMillis: () => clock.millis,
  });
  let count = 0;
  const come = (group: string) => {
    count += 1;
    const me = count;
    const verdict = pool.admit(group, () => me);
    return { me, ...verdict };
  };
  return { pool, clock, come };
}

describe('one address', () => {
  test('has a limited number of places, and leaves those of others alone', () => {
    const { pool, come } = open({ total: 100, perGroup: 8 });
    for (let i = 0; i < 50; i += 1) come('a');
    expect(pool.size).toBe(8);
    expect(come('b')).toMatchObject({ kind: 'admitted', instead: undefined });
    expect(pool.size).toBe(9);
  });

  test('that holds all its places and sends nothing keeps no newcomer out: one of them ends', () => {
    const { pool, clock, come } = open({ total: 100, perGroup: 8 });
    for (let i = 0; i < 50; i += 1) come('a');
    for (let i = 0; i < 20; i += 1) {
      clock.millis += 100;
      const verdict = come('a');
      expect(verdict).toMatchObject({ kind: 'admitted', instead: expect.any(Number) });
      expect(pool.size).toBe(8);
    }
  });

  test('a fast attacker at the address of the primary shuts it out for some attempts, no longer', () => {
    const { pool, clock, come } = open({ total: 1024, perGroup: 128 });
    let succeeded = 0;
    for (let attempt = 0; attempt < 200; attempt += 1) {
      for (let i = 0; i < 800; i += 1, clock.millis += 1) come('shared');
      const primary = come('shared');
      // So long it takes to authenticate from 100 ms away.
      for (let i = 0; i < 200; i += 1, clock.millis += 1) come('shared');
      if (primary.kind === 'admitted' && pool.members().includes(primary.me)) succeeded += 1;
    }
    expect(succeeded).toBeGreaterThan(20);
  });
});

describe('many addresses', () => {
  test('a group without a place takes one from the group that holds most', () => {
    const { pool, come } = open({ total: 40, perGroup: 8 });
    for (let i = 0; i < 400; i += 1) come(`attacker ${i % 5}`);
    expect(pool.size).toBeGreaterThan(36);
    for (let i = 0; i < 20; i += 1) {
      expect(come(`primary ${i}`)).toMatchObject({ kind: 'admitted' });
      expect(pool.size).toBeLessThanOrEqual(40);
    }
  });

  test('the more there are, the more newcomers of the same addresses are dropped early', () => {
    const { pool, come } = open({ total: 400, perGroup: 32 });
    const droppedOf = (newcomers: number) => {
      let dropped = 0;
      for (let i = 0; i < newcomers; i += 1) {
        if (come(`attacker ${i % 20}`).kind === 'dropped') dropped += 1;
      }
      return dropped;
    };
    expect(droppedOf(300)).toBe(0);
    const some = droppedOf(60);
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(40);
    expect(pool.size).toBeLessThan(360);
  });

  test('with each of its own, a newcomer in five hundred a second stays long enough', () => {
    const { pool, clock, come } = open({ total: 1024, perGroup: 32 });
    const flood = (millis: number) => {
      for (let i = 0; i < millis; i += 1, clock.millis += 1) come(`attacker ${clock.millis}`);
    };
    flood(3000);
    let succeeded = 0;
    for (let attempt = 0; attempt < 50; attempt += 1) {
      const primary = come(`primary ${attempt}`);
      flood(200);
      if (primary.kind === 'admitted' && pool.members().includes(primary.me)) succeeded += 1;
    }
    expect(succeeded).toBeGreaterThan(25);
  });
});

test('a connection that leaves frees its place, once', () => {
  const { pool, come } = open({ total: 2, perGroup: 2 });
  const { me } = come('a');
  come('a');
  pool.remove('a', me);
  pool.remove('a', me);
  pool.remove('b', me);
  expect(pool.size).toBe(1);
  expect(pool.members()).toEqual([2]);
});

import { expect, test } from 'vitest';

import { Arrivals } from '../../../src/server/listen/arrivals.ts';
import { peerGroupOf } from '../../../src/server/listen/peer-group.ts';

test('one site is served a limited number of times a second, after a burst at first', () => {
  const arrivals = new Arrivals(10);
  let served = 0;
  for (let millis = 0; millis < 10_000; millis += 1) {
    if (arrivals.admit(`${millis % 5}`, millis)) served += 1;
  }
  // Five of them had not been there before.
  expect(served).toBeGreaterThan(5 + 20 + 95);
  expect(served).toBeLessThan(5 + 20 + 105);
});

test('it keeps out no site that connects once', () => {
  const arrivals = new Arrivals(10);
  for (let millis = 0; millis < 5_000; millis += 1) arrivals.admit('again and again', millis);
  expect(arrivals.admit('once', 5_000)).toBe(true);
  expect(arrivals.admit('once', 16_000)).toBe(true);
});

test('a site of IPv6 comes again and again, whichever of its networks it comes from', () => {
  const arrivals = new Arrivals(10);
  for (let net = 0; net < 5_000; net += 1) {
    const group = peerGroupOf(`2001:db8:1:${net.toString(16)}::1`);
    arrivals.admit(group, net);
  }
  expect(arrivals.admit(peerGroupOf('2001:db8:2::1'), 5_000)).toBe(true);
});

test('many sites that each connect once are limited to a number a second, too', () => {
  const arrivals = new Arrivals(10);
  let served = 0;
  for (let i = 0; i < 10_000; i += 1) if (arrivals.admit(`${i}`, i)) served += 1;
  expect(served).toBeGreaterThan(20 + 95);
  expect(served).toBeLessThan(20 + 105);
});

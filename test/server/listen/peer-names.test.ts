import { expect, test, vi } from 'vitest';

import { PeerNames } from '../../../src/server/listen/peer-names.ts';

test('a name is looked up once, and that there is none as well', async () => {
  const lookUp = vi.fn(async (address: string) => {
    if (address === '192.0.2.1') return 'kdc1.example.org';
    throw new Error('ENOTFOUND');
  });
  const names = new PeerNames(lookUp);
  for (let time = 0; time < 2; time += 1) {
    expect(await names.nameOf('192.0.2.1')).toBe('kdc1.example.org');
    expect(await names.nameOf('192.0.2.2')).toBeUndefined();
  }
  expect(lookUp).toHaveBeenCalledTimes(2);
});

test('while one is looked up nobody waits for another, nor for ever for that', async () => {
  let answer = (_: string) => {};
  const names = new PeerNames(
    () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  );
  const first = names.nameOf('192.0.2.1');
  expect(await names.nameOf('192.0.2.2')).toBeUndefined();
  expect(await first).toBeUndefined();
  answer('kdc1.example.org');
  await vi.waitFor(async () => expect(await names.nameOf('192.0.2.1')).toBe('kdc1.example.org'));
});

test("the system's own answer for an address that has a name", async () => {
  expect(await new PeerNames().nameOf('127.0.0.1')).toBe('localhost');
});

import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { fileReplayCache } from '../../src/host/replay-file.ts';
import { sipHash24 } from '../../src/host/siphash.ts';
import { concat } from '../../src/protocol/bytes.ts';
import { holdLock } from '../support/lab/lock-holder.ts';

const folder = mkdtempSync(join(tmpdir(), 'kprop-replay-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const seed = bytes('5278b5eff3d0bf70307fd7f921aa0fb3');
const now = 1_795_354_633;

function cacheAt(name: string) {
  const path = join(folder, name);
  return { path, cache: fileReplayCache({ path, strict: false, clockSkewSeconds: 300 }) };
}

test('SipHash-2-4 of the paper: key 00..0f, message 00..0e', () => {
  const run = (length: number) => Uint8Array.from({ length }, (_, index) => index);
  expect(sipHash24(run(16), run(15))).toBe(0xa129ca6149be45e5n);
});

test('SipHash of tags that MIT stored', () => {
  expect(sipHash24(seed, bytes('af61d03eb6fc643f00875e0c'))).toBe(0xb98127b68b0c0214n);
});

test('a tag goes to the slot where MIT puts it', async () => {
  const { path, cache } = cacheAt('slot');
  writeFileSync(path, seed);
  await cache.store(bytes('af61d03eb6fc643f00875e0c'), now, 'host/a@R');
  const file = readFileSync(path);
  expect(file.subarray(0, 16)).toEqual(Buffer.from(seed));
  expect(file.subarray(0x340).toString('hex')).toBe('af61d03eb6fc643f00875e0c6b02f009');
});

test('a second tag of the same slot goes beside the first, as MIT did', async () => {
  const { path, cache } = cacheAt('collision');
  writeFileSync(
    path,
    concat(seed, new Uint8Array(317 * 16), bytes('751c8bf7fb58d6b1af94e4f56b02f009')),
  );
  await cache.store(bytes('857e7737a0858cc60e75c9d6'), now, 'host/a@R');
  expect(readFileSync(path).subarray(5104).toString('hex')).toBe(
    '857e7737a0858cc60e75c9d66b02f009',
  );
});

test('the same tag again is a replay, however old the first is', async () => {
  const { cache } = cacheAt('replay');
  const tag = bytes('000102030405060708090a0b');
  await cache.store(tag, now, 'host/a@R');
  await expect(cache.store(tag, now + 10_000, 'host/a@R')).rejects.toMatchObject({
    code: 'auth.replay',
  });
});

test('thousands of tags are all remembered, in tables that grow', async () => {
  const { path, cache } = cacheAt('many');
  const tagOf = (index: number) => {
    const tag = new Uint8Array(12);
    new DataView(tag.buffer).setUint32(0, index);
    return tag;
  };
  for (let index = 0; index < 3000; index += 1) await cache.store(tagOf(index), now, 'c');
  expect(readFileSync(path).length).toBeGreaterThan(16_384);
  for (let index = 0; index < 3000; index += 97) {
    await expect(cache.store(tagOf(index), now, 'c')).rejects.toMatchObject({
      code: 'auth.replay',
    });
  }
});

test('an expired record is overwritten', async () => {
  const { path, cache } = cacheAt('expired');
  writeFileSync(
    path,
    concat(seed, new Uint8Array(51 * 16), bytes('ffffffffffffffffffffffff00000001')),
  );
  await cache.store(bytes('af61d03eb6fc643f00875e0c'), now, 'c');
  expect(readFileSync(path).subarray(0x340, 0x34c).toString('hex')).toBe(
    'af61d03eb6fc643f00875e0c',
  );
});

test('a folder that is missing, and a link in a public folder, are errors with the errno', async () => {
  const missing = fileReplayCache({
    path: join(folder, 'no/cache'),
    strict: true,
    clockSkewSeconds: 300,
  });
  await expect(missing.store(new Uint8Array(12), now, 'c')).rejects.toMatchObject({
    code: 'auth.replay-cache',
    comErrText: 'No such file or directory',
  });
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'link'));
  const link = fileReplayCache({ path: join(folder, 'link'), strict: true, clockSkewSeconds: 300 });
  await expect(link.store(new Uint8Array(12), now, 'c')).rejects.toMatchObject({
    comErrText: 'Too many levels of symbolic links',
  });
});

test('a lock that is held for ever is an error after a while', async () => {
  const { path, cache } = cacheAt('held');
  writeFileSync(path, seed);
  const holder = await holdLock(path, 'OFD');
  await expect(cache.store(new Uint8Array(12), now, 'c')).rejects.toMatchObject({
    code: 'auth.replay-cache',
    detail: { path, errno: 'EAGAIN' },
  });
  await holder.end();
}, 15_000);

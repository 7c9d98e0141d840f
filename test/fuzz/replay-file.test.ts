import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { fileReplayCache } from '../../src/host/replay-file.ts';
import { codeOf } from '../support/wire/code-of.ts';

describe('the replay cache on disk', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fuzz-rcache-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const now = 1_795_355_239;
  const tags = fc.array(fc.uint8Array({ minLength: 12, maxLength: 12 }), {
    minLength: 1,
    maxLength: 20,
  });
  let files = 0;
  const cacheOf = () => {
    files += 1;
    const path = join(folder, String(files));
    return { path, cache: fileReplayCache({ path, strict: false, clockSkewSeconds: 300 }) };
  };

  test('knows each that it has seen, and no other', async () => {
    const property = fc.asyncProperty(tags, async (all) => {
      const { cache } = cacheOf();
      const seen = new Set<string>();
      for (const tag of [...all, ...all]) {
        const known = seen.has(Buffer.from(tag).toString('hex'));
        const code = await codeOf(cache.store(tag, now, 'someone'));
        expect(code).toBe(known ? 'auth.replay' : 'none');
        seen.add(Buffer.from(tag).toString('hex'));
      }
    });
    await fc.assert(property, { numRuns: 20 });
  });

  test('whatever its file holds, a replay is known from then on, and it grows little', async () => {
    // Times that have run out and others, in records that were begun.
    const damage = fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 60 });
    const property = fc.asyncProperty(damage, fc.nat(40_000), tags, async (records, size, all) => {
      const { path, cache } = cacheOf();
      const file = Buffer.alloc(size);
      for (const [index, record] of records.entries())
        file.set(record.subarray(0, Math.max(0, size - index * 600)), Math.min(size, index * 600));
      writeFileSync(path, file);
      for (const tag of all) {
        const code = await codeOf(cache.store(tag, now, 'someone'));
        // 12 zeros in a record that was never written: MIT takes it for one that was seen, or not.
        expect(code).toMatch(/^(none|auth\.replay)$/);
        expect(await codeOf(cache.store(tag, now, 'someone'))).toBe('auth.replay');
      }
      expect(statSync(path).size).toBeLessThan(2 ** 20);
      expect(readFileSync(path).length).toBeGreaterThan(16);
    });
    await fc.assert(property, { numRuns: 30 });
  });
});

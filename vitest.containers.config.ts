import { defineConfig } from 'vitest/config';

// The tests that need a Docker engine; scripts/containers.mjs starts one and runs them.
export default defineConfig({
  test: {
    include: ['test/containers/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 240_000,
    allowOnly: false,
    expect: { poll: { timeout: 30_000, interval: 200 } },
    pool: 'forks',
    // They wait for other programs nearly all of the time.
    maxWorkers: 2,
  },
});

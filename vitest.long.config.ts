import { defineConfig } from 'vitest/config';

import { common, longTests } from './vitest.config.ts';

// The tests that take minutes, each of which breaks something and mends it, and those that npm test runs
// for seconds, which the environment can make long.
const atLength = [
  'test/hostile/man-in-the-middle.test.ts',
  'test/kdb/dump/completeness.test.ts',
  'test/interop/{crashes,loader-faults,power-cuts}.test.ts',
];

export default defineConfig({
  ...common,
  test: { ...common.test, include: [...longTests, ...atLength] },
});

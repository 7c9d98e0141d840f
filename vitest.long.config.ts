import { defineConfig } from 'vitest/config';

import base, { longTests } from './vitest.config.ts';

// The tests that take minutes, each of which breaks something and mends it, and those that npm test runs
// for seconds, which the environment can make long.
const atLength = [
  'test/hostile/man-in-the-middle.test.ts',
  'test/interop/{crashes,loader-faults,power-cuts}.test.ts',
];

export default defineConfig({
  ...base,
  test: { ...base.test, include: [...longTests, ...atLength], exclude: [] },
});

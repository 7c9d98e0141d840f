import { defineConfig } from 'vitest/config';

import base, { longTests } from './vitest.config.ts';

// The tests that take minutes, each of which breaks something and mends it.
export default defineConfig({ ...base, test: { ...base.test, include: longTests, exclude: [] } });

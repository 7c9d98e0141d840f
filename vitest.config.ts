import { defineConfig } from 'vitest/config';

/** A thread cannot be started from TypeScript: tests use the one that was built. */
const builtThread = {
  name: 'built-thread',
  transform(code: string, id: string) {
    if (!id.endsWith('src/server/native-thread.ts')) return undefined;
    return code.replace('../server/native-worker.js', '../../dist/server/native-worker.js');
  },
};

export default defineConfig({
  plugins: [builtThread],
  test: {
    include: ['test/**/*.test.ts'],
    // They need an engine: npm run test:containers
    exclude: ['test/containers/**'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    allowOnly: false,
    pool: 'forks',
    // Most tests wait for other programs: on two cores, two files at a time would leave them idle.
    maxWorkers: 3,
    setupFiles: ['test/support/lab/program-coverage.ts'],
    // Asked for by scripts/coverage.mjs, which adds what the programs ran, and judges.
    coverage: { include: ['src/**/*.ts'], reporter: ['json'], reportOnFailure: true },
  },
});

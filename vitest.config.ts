import { defineConfig } from 'vitest/config';

/** Neither a thread nor a process can be started from TypeScript: tests use those that were built. */
const builtParts = {
  name: 'built-parts',
  transform(code: string, id: string) {
    if (/kpropctl\/src\/serve\/acceptor\.ts$/.test(id)) {
      return code.replace('../serve/spnego-worker.js', '../../dist/serve/spnego-worker.js');
    }
    if (!/src\/server\/own-code\.ts$/.test(id)) return undefined;
    return code.replace(
      /\.\.\/server\/(native-worker|applier-process)\.js/g,
      '../../dist/server/$1.js',
    );
  },
};

/** What takes minutes: npm run test:long. */
export const longTests = [
  'test/breakages/**/*.test.ts',
  'test/differential/{debian,incremental,kprop-sends,kprop-starts,kpropd}.test.ts',
  'test/hostile/{false-primary,tampering}.test.ts',
  'test/interop/{full-disk,incremental-kills,native-kills,side-by-side,sizes}.test.ts',
  'test/kdb/db2/{mutated-dumps,worked-on}.test.ts',
  'kpropctl/test/{accidents,here,here-processes,iprop-check,other-replica,robust,spnego,state}.test.ts',
  'kpropctl/test/{doctor,doctor-breakages,kit,kit-bad,kit-interrupted,many}.test.ts',
  'kpropctl/test/page-{browser,hostile,keeper}.test.ts',
];

/** They change nothing outside of themselves, so that many can use one process, and load src/ once. */
const quickTests = [
  'test/{protocol,errors,fuzz,support}/**/*.test.ts',
  'test/kdb/dump/**/*.test.ts',
];

/** What all runs have in common. */
export const common = defineConfig({
  plugins: [builtParts],
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    allowOnly: false,
    pool: 'forks',
    // Most tests wait for other programs: on two cores, two files at a time would leave them idle.
    maxWorkers: 4,
    setupFiles: ['test/support/lab/program-coverage.ts'],
    // Asked for by scripts/coverage.mjs, which adds what the programs ran, and judges.
    coverage: { include: ['src/**/*.ts'], reporter: ['json'], reportOnFailure: true },
  },
});

// The container tests need an engine: npm run test:containers
const elsewhere = ['test/containers/**', ...longTests];

export default defineConfig({
  ...common,
  test: {
    ...common.test,
    projects: [
      {
        extends: true,
        test: { name: 'quick', include: quickTests, exclude: elsewhere, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ['test/**/*.test.ts', 'kpropctl/test/**/*.test.ts'],
          exclude: [...elsewhere, ...quickTests],
        },
      },
    ],
  },
});

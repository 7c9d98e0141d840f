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
  'test/differential/{incremental,kprop-sends,kprop-starts,kpropd}.test.ts',
  'test/hostile/false-primary.test.ts',
  'test/interop/{full-disk,incremental-kills,native-kills,side-by-side}.test.ts',
  'test/kdb/db2/{mutated-dumps,worked-on}.test.ts',
  'kpropctl/test/accidents.test.ts',
  'kpropctl/test/doctor-breakages.test.ts',
  'kpropctl/test/kit-bad.test.ts',
  'kpropctl/test/kit-interrupted.test.ts',
  'kpropctl/test/page-{browser,hostile}.test.ts',
  'kpropctl/test/robust.test.ts',
];

export default defineConfig({
  plugins: [builtParts],
  test: {
    include: ['test/**/*.test.ts', 'kpropctl/test/**/*.test.ts'],
    // They need an engine: npm run test:containers
    exclude: ['test/containers/**', ...longTests],
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

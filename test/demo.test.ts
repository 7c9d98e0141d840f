import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

import { expect, test } from 'vitest';

import { packageRoot } from './support/lab/lab.ts';

test('the demonstration runs to its end, and leaves nothing behind', { timeout: 90_000 }, () => {
  const begin = performance.now();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['scripts/run.mjs', 'scripts/demo.ts'],
    { cwd: packageRoot, encoding: 'utf8', timeout: 80_000, env: { ...process.env, NO_COLOR: '1' } },
  );
  expect(`${stderr}${status === 0 ? '' : stdout}`).toBe('');
  expect(status).toBe(0);
  expect(performance.now() - begin).toBeLessThan(60_000);
  expect(stdout.match(/Database propagation to \S+: SUCCEEDED/g)).toHaveLength(3);
  const folder = /realm {4}\S+ in (\S+)/.exec(stdout)?.[1] ?? '';
  expect(folder).toMatch(/^\//);
  expect(existsSync(folder)).toBe(false);
});

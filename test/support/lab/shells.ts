import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'vitest';

/** What a program prints that must end well, without anybody's own start files. */
export function run(program: string, args: readonly string[], input = ''): string {
  // Shells write into their home.
  const home = mkdtempSync(join(tmpdir(), 'kprop-home-'));
  const { stdout, stderr, status, error } = spawnSync(program, args, {
    encoding: 'utf8',
    input,
    timeout: 60_000,
    env: { PATH: process.env.PATH, HOME: home, TERM: 'dumb', LC_ALL: 'C.UTF-8' },
  });
  rmSync(home, { recursive: true });
  if (error !== undefined) throw error;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** What is wrong with a manual page. */
export function faultsOf(page: string): string {
  const { stdout } = spawnSync('mandoc', ['-T', 'lint', page], { encoding: 'utf8' });
  // Which other pages there are depends on the host.
  const faults = stdout.split('\n').filter((line) => !/manual not found/.test(line));
  return faults.join('\n');
}

/** A manual page as it is shown, on very wide lines. */
export function shown(page: string): string {
  return run('mandoc', ['-T', 'utf8', '-O', 'width=1000', page]).replace(/.[\b]/g, '');
}

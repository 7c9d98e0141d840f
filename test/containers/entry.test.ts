import { spawnSync } from 'node:child_process';

import { expect, test } from 'vitest';

/** A container that should end by itself; its status and what it said. */
function run(...args: string[]) {
  const all = ['run', '--rm', '--network', 'none', ...args];
  const { status, stdout, stderr } = spawnSync('docker', all, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, output: stdout + stderr };
}

test.each(['krb5', 'root'])('as %s: when a part ends, the container ends with it', (user) => {
  // There is no configuration.
  const outcome = run('--user', user, 'kprop/kprop', 'kdc', 'kpropd');
  expect(outcome.status, outcome.output).toBe(1);
  expect(outcome.output).toMatch(/cause: .*krb5\.conf do(es)? not exist/);
  expect(outcome.output).toContain('kdc-host: a part of kdc kpropd ended with 1');
});

test('propagate without replicas says which variable is missing', () => {
  const outcome = run('kprop/kprop', 'propagate');
  expect(outcome.status).toBe(1);
  expect(outcome.output).toContain('KPROP_REPLICAS names no host');
});

test('an unknown argument is run as a command, and signals reach it', () => {
  expect(run('kprop/kprop', 'kprop', '--version').output).toMatch(/^kprop \d/);
  expect(run('kprop/mit-kdc', 'id', '-un')).toEqual({ status: 0, output: 'krb5\n' });
});

test.each(['kprop/mit-kdc', 'kprop/kprop'])('%s holds no keys and no configuration', (image) => {
  const found = run(
    image,
    'find',
    '/etc/krb5kdc',
    '/var/lib/krb5kdc',
    '/etc/krb5.keytab',
    '-type',
    'f',
  );
  expect(found.output).not.toMatch(/^\/(var|etc\/krb5kdc)/m);
});

import { expect, test } from 'vitest';

import { type FailedAttempt, retry } from '../../src/client/retry.ts';
import { KpropError } from '../../src/errors/kprop-error.ts';

const refused = () =>
  new KpropError('network.unreachable', { host: 'kdc2', port: 754, errno: 'ECONNREFUSED' });
const wrong = () => new KpropError('dump.missing', { path: '/none', errno: 'ENOENT' });
const quick = { withinMillis: 10_000, firstMillis: 4, mostMillis: 10 };

test('what may mend itself is tried again, after pauses that double up to the longest', async () => {
  const failures: FailedAttempt[] = [];
  const result = await retry(
    async (attempt) => {
      if (attempt < 5) throw refused();
      return attempt;
    },
    { ...quick, onRetry: (failure) => failures.push(failure) },
  );
  expect(result).toBe(5);
  expect(failures.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  for (const [at, { pauseMillis }] of failures.entries()) {
    const plain = [4, 8, 10, 10][at] as number;
    expect(pauseMillis / plain).toBeGreaterThanOrEqual(0.75);
    expect(pauseMillis / plain).toBeLessThanOrEqual(1.25);
  }
});

test.each([
  ['what cannot mend itself', wrong],
  ["what is no error of this package's", () => new TypeError('a defect')],
])('%s is not tried again', async (_, fault) => {
  const error = fault();
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    throw error;
  };
  await expect(retry(attempt, quick)).rejects.toBe(error);
  expect(attempts).toBe(1);
});

test('no attempt begins when the time is over', async () => {
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    throw refused();
  };
  await expect(retry(attempt, { withinMillis: 0 })).rejects.toMatchObject({
    code: 'network.unreachable',
  });
  expect(attempts).toBe(1);
});

test('a signal ends the pause, with the error of the last attempt', async () => {
  const control = new AbortController();
  const error = refused();
  const outcome = retry(
    async () => {
      throw error;
    },
    {
      ...{ withinMillis: 1e9, firstMillis: 1e8, mostMillis: 1e8, signal: control.signal },
      onRetry: () => control.abort(),
    },
  );
  await expect(outcome).rejects.toBe(error);
});

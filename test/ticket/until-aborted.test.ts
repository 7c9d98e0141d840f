import { getEventListeners } from 'node:events';

import { expect, test, vi } from 'vitest';

import { propagate } from '../../src/client/propagate.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { dial } from '../../src/ticket/dial.ts';
import { untilAborted } from '../../src/ticket/until-aborted.ts';

const never = vi.hoisted(() => () => new Promise<never>(() => undefined));

// Name servers that answer nothing.
vi.mock('node:dns/promises', async (original) => ({ ...(await original()), lookup: never }));
vi.mock('../../src/host/libc.ts', async (original) => ({
  ...(await original()),
  canonicalHostName: never,
}));

test('the step or the signal, whichever comes first; no listener is left', async () => {
  const abort = new AbortController();
  const { signal } = abort;
  expect(await untilAborted(undefined, async () => 1)).toBe(1);
  expect(await untilAborted(signal, async () => 2)).toBe(2);
  await expect(untilAborted(signal, () => Promise.reject(new Error('3')))).rejects.toThrow('3');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  const waiting = untilAborted(signal, never);
  abort.abort(new Error('enough'));
  const aborted = { code: 'aborted', detail: { reason: 'enough' } };
  await expect(waiting).rejects.toMatchObject(aborted);
  await expect(untilAborted(signal, async () => 4)).rejects.toMatchObject(aborted);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a look-up that never ends is left: of the address', async () => {
  const signal = AbortSignal.timeout(30);
  await expect(dial('a.example', 754, { connectMillis: 0, signal })).rejects.toMatchObject({
    code: 'caller.timeout',
  });
});

test('a look-up that never ends is left: of the canonical name', async () => {
  const config = loadKrb5Config({ krb5ConfFiles: '/dev/null' });
  const signal = AbortSignal.timeout(30);
  const sending = propagate({ host: 'a.example', dump: '/none', realm: 'R', config, signal });
  await expect(sending).rejects.toMatchObject({ code: 'caller.timeout', phase: 'configuration' });
});

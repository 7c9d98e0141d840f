import { expect, test } from 'vitest';

import { StatusText } from '../../../src/cli/kpropd/status-text.ts';
import { KpropError } from '../../../src/errors/kprop-error.ts';
import type { ConnectionEvent } from '../../../src/server/events.ts';

const millis = { authenticate: 0, receive: 1_000, load: 100 };
const records = { principals: 7, policies: 0 };
const client = 'host/kdc1@R';
const refusal = new KpropError('spool.busy', { path: '/x' });

function after(...events: readonly (ConnectionEvent & { readonly connection?: number })[]): string {
  const status = new StatusText(() => new Date(0));
  for (const event of events) status.event({ connection: 1, ...event });
  return status.text;
}

const begun: readonly ConnectionEvent[] = [
  { kind: 'connected', address: '::1' },
  { kind: 'authenticated', client, enctype: 'aes' },
  { kind: 'receiving', bytes: 200_000 },
];
const progress: ConnectionEvent = { kind: 'progress', bytes: 124_000, total: 200_000 };
const received: ConnectionEvent = { kind: 'received', bytes: 200_000 };
const loaded: ConnectionEvent = { kind: 'loaded', bytes: 200_000, client, records, millis };
const closed: ConnectionEvent = { kind: 'closed' };

test.each<[string, readonly ConnectionEvent[]]>([
  ['waiting for the first propagation', []],
  ['waiting for the first propagation', begun.slice(0, 2)],
  ['receiving 200 kB from host/kdc1@R', begun],
  ['receiving 200 kB from host/kdc1@R: 62 %', [...begun, progress]],
  ['loading 200 kB from host/kdc1@R', [...begun, progress, received]],
  [
    '1970-01-01 00:00:00 UTC: loaded 200 kB, 7 principals from host/kdc1@R in 1.1 s',
    [...begun, received, loaded, closed],
  ],
  [
    `1970-01-01 00:00:00 UTC: a propagation from host/kdc1@R failed: ${refusal.message}`,
    [...begun, { kind: 'failed', error: refusal }, closed],
  ],
  [
    'waiting for the first propagation',
    [...begun.slice(0, 2), { kind: 'failed', error: refusal }, closed],
  ],
])('%s', (text, events) => {
  expect(after(...events)).toBe(text);
});

test('two at once', () => {
  const other = begun.map((event) => ({ ...event, connection: 2 }));
  expect(after(...begun, ...other, received)).toBe(
    'loading 200 kB from host/kdc1@R; receiving 200 kB from host/kdc1@R',
  );
});

import { expect, test } from 'vitest';

import { PollLog } from '../../../src/cli/kpropd/poll-log.ts';
import { KpropError } from '../../../src/errors/kprop-error.ts';
import type { PollEvent } from '../../../src/server/poll/poller.ts';

/** What is said about events: d debug lines, l the system log with its priority, c com_err, s stderr. */
function said(...events: readonly PollEvent[]): readonly string[] {
  const lines: string[] = [];
  const log = new PollLog({
    debugLine: (text) => lines.push(`d ${text}`),
    log: (priority, text) => lines.push(`l ${priority} ${text}`),
    complain: (text) => lines.push(`c ${text}`),
    failure: (error) => lines.push(`f ${(error as KpropError).code}`),
    say: (text) => lines.push(`s ${text}`),
  });
  for (const event of events) log.event(event);
  return lines.filter((line) => !/ (cause|fix): /.test(line));
}

const last = { serial: 7, seconds: 1_796_000_000, micros: 5 };

// The texts and priorities are those of krb5 1.20.1, src/kprop/kpropd.c.
test.each<readonly [string, PollEvent, readonly string[]]>([
  ['begun', { kind: 'begun' }, ['d Incremental propagation enabled']],
  [
    'connecting',
    { kind: 'connecting', client: 'kiprop/r@R' },
    ['d Initializing kadm5 as client kiprop/r@R'],
  ],
  ['connected', { kind: 'connected' }, ['d kadm5 initialization succeeded']],
  [
    'asking',
    { kind: 'asking', last },
    ['d Calling iprop_get_updates_1 (sno=7 sec=1796000000 usec=5)'],
  ],
  [
    'updates',
    { kind: 'updates', last, count: 2 },
    ['d Got incremental updates (sno=7 sec=1796000000 usec=5)'],
  ],
  [
    'applied, with what ours adds to the log',
    { kind: 'applied', last, count: 2, micros: 2_600 },
    [
      'd Incremental updates: 2 updates / 2600 us',
      'l info Incremental updates: 2 updates / 2600 us (serial 7, 3 ms)',
    ],
  ],
  ['in step', { kind: 'synchronized' }, ['d KDC is synchronized with primary.']],
  [
    'a resync is needed',
    { kind: 'resync-needed' },
    ['d Full resync needed', 'l info kpropd: Full resync needed.'],
  ],
  ['a resync is awaited', { kind: 'resync-awaited' }, ['d Still waiting for full resync']],
  [
    'a resync is granted',
    { kind: 'resync-answered', status: 0 },
    ['d Full resync request granted', 'l info Full resync request granted.'],
  ],
  [
    'a resync meets a busy primary',
    { kind: 'resync-answered', status: 3 },
    ['d Exponential backoff'],
  ],
  [
    'a resync is denied',
    { kind: 'resync-answered', status: 5 },
    ['d Full resync permission denied', 'l err Full resync, permission denied.'],
  ],
  [
    'a resync fails',
    { kind: 'resync-answered', status: 1 },
    ['d Full resync error from primary', 'l err  Full resync, error returned from primary KDC.'],
  ],
  [
    'a resync has a strange answer',
    { kind: 'resync-answered', status: 9 },
    [
      'd Full resync invalid result from primary',
      'l err Full resync, invalid return from primary KDC.',
    ],
  ],
  ['busy', { kind: 'refused', status: 3 }, ['d get_updates primary busy; backoff']],
  [
    'denied',
    { kind: 'refused', status: 5 },
    ['d get_updates permission denied', 'l err get_updates, permission denied.'],
  ],
  [
    'failed',
    { kind: 'refused', status: 1 },
    ['d get_updates error from primary', 'l err get_updates, error returned from primary KDC.'],
  ],
  [
    'a strange answer',
    { kind: 'refused', status: 9 },
    [
      'd get_updates invalid result from primary',
      'l err get_updates, invalid return from primary KDC.',
    ],
  ],
  [
    'waiting',
    { kind: 'waiting', seconds: 120, busy: false },
    ['d Waiting for 120 seconds before checking for updates again'],
  ],
  [
    'waiting for a busy primary',
    { kind: 'waiting', seconds: 8, busy: true },
    ['d Busy signal received from primary, backoff for 8 secs'],
  ],
  [
    'updates were not applied',
    { kind: 'not-applied', error: new KpropError('iprop.not-applied', { reason: 'No space' }) },
    [
      'd ulog_replay failed (No space), updates not registered',
      'l err ulog_replay failed (No space), updates not registered.',
    ],
  ],
  [
    'a call that failed',
    {
      kind: 'call-failed',
      call: 'get_updates',
      error: new KpropError('network.closed', { peer: 'p', while: 'x' }),
    },
    [
      's iprop_get_updates call failed: RPC: Unable to receive; errno = Connection reset by peer',
      'd Reinitializing iprop because get updates failed',
    ],
  ],
  [
    'a resync call that failed',
    {
      kind: 'call-failed',
      call: 'full_resync',
      error: new KpropError('rpc.denied', { peer: 'p', auth: 5, reason: 'too weak' }),
    },
    ['s iprop_full_resync call failed: RPC: Authentication error; why = too weak'],
  ],
  [
    'a reply that cannot be read',
    {
      kind: 'call-failed',
      call: 'get_updates',
      error: new KpropError('decode.bad-value', { what: 'x', reason: 'y' }),
    },
    [
      "s iprop_get_updates call failed: RPC: Can't decode result",
      'd Reinitializing iprop because get updates failed',
    ],
  ],
])('%s', (_, event, expected) => {
  expect(said(event)).toEqual(expected);
});

test('the same trouble is said once, and again after it was over', () => {
  const error = new KpropError('iprop.unreachable', { host: 'h', port: 1, errno: 'ECONNREFUSED' });
  const unreachable = { kind: 'unreachable', error, retrySeconds: 4 } as const;
  const complaint =
    'c Communication failure with server while attempting to connect to primary KDC ... retrying';
  const complaints = (...events: readonly PollEvent[]) =>
    said(...events).filter((line) => line === complaint).length;
  expect(complaints(unreachable, unreachable, unreachable)).toBe(1);
  expect(complaints(unreachable, { kind: 'synchronized' }, unreachable)).toBe(2);
});

test("what a primary's KDC says cannot forge a line", () => {
  const error = new KpropError('iprop.no-service', { server: 'kiprop/a\nb@R' });
  const lines = said({ kind: 'unreachable', error, retrySeconds: 4 });
  for (const line of lines) expect(line).not.toContain('\n');
});

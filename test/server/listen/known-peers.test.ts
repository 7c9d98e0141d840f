import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test, vi } from 'vitest';

import { Acl } from '../../../src/server/acl.ts';
import { connectionLimits } from '../../../src/server/listen/connection-limits.ts';
import { KnownPeers } from '../../../src/server/listen/known-peers.ts';
import { peerGroupOf } from '../../../src/server/listen/peer-group.ts';

const folder = mkdtempSync(join(tmpdir(), 'kprop-known-'));
afterAll(() => rmSync(folder, { recursive: true }));
const acl = join(folder, 'kpropd.acl');

describe('what counts as one address', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:207', '192.0.2.7'],
    ['2001:db8:1:2::7', '2001:0db8:0001:0002::/64'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0db8:0001:0002::/64'],
    ['2001:db8:1:3::7', '2001:0db8:0001:0003::/64'],
    ['fe80::1%eth0', 'fe80:0000:0000:0000::/64'],
    ['unknown address', 'unknown address'],
  ])('%s is of %s', (address, group) => {
    expect(peerGroupOf(address)).toBe(group);
  });
});

test('the hosts of an ACL', () => {
  const lines = [
    'host/primary.example@REALM',
    'host/short@REALM aes256-cts',
    'kiprop/other.example@REALM',
    'alice/admin@REALM',
    '#host/commented.example@REALM',
    'host/primary.example@OTHER.REALM',
    'host/without-realm.example',
    'host/a b.example@REALM',
    'host/192.0.2.1@REALM',
  ];
  expect(Acl.parse(Buffer.from(lines.join('\n')), acl).hosts).toEqual([
    'primary.example',
    'short',
    'other.example',
    '192.0.2.1',
  ]);
});

test('where the hosts of the ACL are is known, and learnt anew when it changes', async () => {
  writeFileSync(acl, 'host/no-such-host.invalid@REALM\nhost/localhost@REALM\n');
  const known = new KnownPeers(acl);
  known.start({ everyMillis: 20 });
  const eventually = (group: string, is: boolean) =>
    vi.waitFor(() => expect(known.has(group)).toBe(is), { timeout: 20_000 });
  await eventually('127.0.0.1', true);
  expect(known.has('127.0.0.2')).toBe(false);
  writeFileSync(acl, 'host/127.0.0.2@REALM\n# another primary by now\n');
  await eventually('127.0.0.2', true);
  await eventually('127.0.0.1', false);
  known.stop();
});

test('the last 256 authorized addresses stay known, even without an ACL to read', () => {
  const known = new KnownPeers(join(folder, 'missing'));
  known.start();
  for (let i = 0; i < 300; i += 1) {
    known.remember('10.0.0.1');
    known.remember(`10.1.${i >> 8}.${i & 255}`);
  }
  known.stop();
  expect(known.has('10.0.0.1')).toBe(true);
  expect(known.has('10.1.1.43')).toBe(true);
  expect(known.has('10.1.0.0')).toBe(false);
});

describe('limits and descriptors', () => {
  test('the usual ones', () => {
    expect(connectionLimits({}, 1_048_576)).toEqual({
      strangers: { total: 256, perGroup: 32 },
      known: { total: 64, perGroup: 32 },
      arrivalsPerSecond: 200,
      propagations: 64,
      propagationsPerClient: 16,
    });
  });

  test.each([64, 256, 1024, 4096, Number.POSITIVE_INFINITY])('%d descriptors', (descriptors) => {
    const { strangers, known, propagations } = connectionLimits({}, descriptors);
    expect(strangers.total).toBeGreaterThan(known.total);
    expect(known.total).toBeGreaterThan(1);
    expect(propagations).toBeGreaterThan(1);
    const most = strangers.total + known.total + 4 * propagations;
    expect(most).toBeLessThanOrEqual(descriptors);
  });

  test('what was asked for, if the descriptors suffice', () => {
    const given = { maxUnauthenticated: 5000, maxPerAddress: 7, maxPropagations: 3 };
    expect(connectionLimits(given, 65_536)).toMatchObject({
      strangers: { total: 5000, perGroup: 7 },
      propagations: 3,
    });
    expect(connectionLimits(given, 1024).strangers.total).toBe(448);
  });
});

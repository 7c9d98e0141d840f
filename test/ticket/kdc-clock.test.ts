import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { loadKrb5Config } from '../../src/host/config-files.ts';
import { kdcClock } from '../../src/ticket/kdc-clock.ts';
import { startClockRelay } from '../support/kdc/clock-relay.ts';
import { Lab } from '../support/lab/lab.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
});
afterAll(() => lab.close());

const ask = (kdc: string, realm = lab.realm) =>
  kdcClock({
    ...{ kdc, realm, timeoutSeconds: 1 },
    config: loadKrb5Config({ krb5ConfFiles: lab.primary.krb5Conf }),
  });

test("a KDC's clock, without a key, and without a change of its database", async () => {
  const { aheadMillis, millis } = await ask(`127.0.0.1:${lab.primary.kdcPort}`);
  expect(Math.abs(aheadMillis)).toBeLessThan(1_000);
  expect(millis).toBeGreaterThan(0);
});

test.each([-7_200, 3_600])('one that is %i s off', async (seconds) => {
  const relay = await startClockRelay(lab.primary.kdcPort, { aheadSeconds: seconds });
  try {
    const { aheadMillis } = await ask(`127.0.0.1:${relay.port}`);
    expect(Math.abs(aheadMillis / 1000 - seconds)).toBeLessThan(2);
  } finally {
    relay.close();
  }
});

test('one that never answers', async () => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  await expect(ask(`127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'kdc.unreachable' });
  silent.close();
});

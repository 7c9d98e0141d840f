import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import {
  expectReplicaHas,
  pairings,
  runKprop,
  startKpropd,
  succeeded,
} from '../support/lab/pairings.ts';

const hasIpv6Loopback = () =>
  Object.values(networkInterfaces()).some((one) => one?.some(({ address }) => address === '::1'));

let lab: Lab;
beforeAll(async () => {
  // Not a reason to skip: without ::1 half of what is promised would go unseen.
  if (!hasIpv6Loopback()) {
    spawnSync('sysctl', ['-q', '-w', 'net.ipv6.conf.lo.disable_ipv6=0']);
    spawnSync('ip', ['-6', 'addr', 'add', '::1/128', 'dev', 'lo']);
  }
  expect(hasIpv6Loopback(), 'this machine has ::1').toBe(true);
  lab = await Lab.create();
});
afterAll(() => lab.close());

describe.each(pairings)('kprop (%s) to kpropd (%s)', (kprop, kpropd) => {
  let server: Kpropd;
  beforeAll(async () => {
    server = await startKpropd(lab, kpropd);
  });
  afterAll(() => server.stop());

  const hosts = [
    ['127.0.0.1', '::ffff:127.0.0.1'],
    ['::1', '::1'],
    ['localhost', undefined],
    ['LOCALHOST', undefined],
    ['the name of this host', undefined],
  ] as const;
  test.each(hosts)('%s', async (typed, from) => {
    const host = typed.includes(' ') ? lab.host : typed;
    await lab.addPrincipals([`${kprop}-${kpropd}-${host}`]);
    await lab.dump();
    const before = server.stderr.length;

    expect(await runKprop(lab, kprop, { port: server.port, host })).toMatchObject(succeeded(host));

    await expectReplicaHas(lab);
    // MIT's kpropd asks the resolver for a name first.
    const peer = kpropd === 'ours' && from !== undefined ? from : '\\S+';
    expect(server.stderr.slice(before)).toMatch(new RegExp(`^Connection from ${peer}$`, 'm'));
    expect(lab.kdcLog('primary')).toContain(`for host/${host.toLowerCase()}@${lab.realm}`);
  });
});

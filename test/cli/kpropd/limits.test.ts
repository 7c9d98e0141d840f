import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readLimits } from '../../../src/cli/kpropd/limits.ts';
import { ourProgram } from '../../support/lab/lab.ts';
import { freePort } from '../../support/lab/lab-process.ts';
import { labCredential, openInsider } from '../../support/rig/attacker.ts';
import { ReplicaRig } from '../../support/rig/replica-rig.ts';
import { fallSilent } from '../../support/rig/silent.ts';
import { startProxy } from '../../support/rig/tcp-proxy.ts';

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

/** Our kpropd, perhaps started by another program. */
async function started(args: readonly string[], before: readonly string[] = []) {
  const port = await freePort();
  const { acl, fromMaster } = rig.lab.replica;
  const line = [...before, process.execPath, ourProgram('kpropd'), '-P', `${port}`, '-a', acl];
  const [program = '', ...rest] = [...line, '-f', fromMaster, ...args];
  const kpropd = rig.lab.start(program, rest, { role: 'replica' });
  await kpropd.until(() => kpropd.stdout.includes('ready\n'), 'ready');
  return Object.assign(kpropd, { port });
}

const given = (...words: string[]) =>
  readLimits(
    words.map((word) => {
      const [name = '', value] = word.split('=');
      return { name, value };
    }),
  );

describe('the command line', () => {
  test('all of it', () => {
    expect(
      given(
        ...['listen=192.0.2.1', 'listen=[2001:db8::1]', 'max-connections=500', 'max-per-address=5'],
        ...['max-propagations=6', 'max-dump=5000000000', 'auth-timeout=3', 'idle-timeout=0'],
        ...['timeout=7', 'timeout=900'],
      ),
    ).toEqual({
      address: ['192.0.2.1', '2001:db8::1'],
      maxUnauthenticated: 500,
      maxPerAddress: 5,
      maxPropagations: 6,
      maxDumpBytes: 5_000_000_000,
      limits: { authenticateMillis: 3_000, idleMillis: 0, totalMillis: 900_000 },
    });
    expect(given()).toEqual({ limits: {} });
  });

  test.each([
    ['listen=eth0', "--listen takes an IPv4 or IPv6 address, not 'eth0'"],
    ['max-connections=0', "--max-connections takes a whole number of 1 or more, not '0'"],
    ['max-per-address=-1', "--max-per-address takes a whole number of 1 or more, not '-1'"],
    ['max-dump=1e9', "--max-dump takes a whole number of 1 or more, not '1e9'"],
    ['max-propagations=', "--max-propagations takes a whole number of 1 or more, not ''"],
    ['timeout=5m', "--timeout takes a whole number of seconds, not '5m'"],
    ['idle-timeout= 5', "--idle-timeout takes a whole number of seconds, not ' 5'"],
    ['auth-timeout=0x10', "--auth-timeout takes a whole number of seconds, not '0x10'"],
  ])('%s is none', async (word, complaint) => {
    expect(given(word)).toBe(complaint);
  });

  test('a wrong one ends it, with the usage; --help has them all', async () => {
    const run = (...args: string[]) =>
      rig.lab.run(process.execPath, [ourProgram('kpropd'), ...args], { role: 'replica' });
    expect(await run('--max-dump=much')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^kpropd: --max-dump takes .*\n\nUsage: kpropd /),
    });
    const { status, stdout } = await run('--help');
    expect(status).toBe(0);
    const options = [
      'listen',
      'max-connections',
      'max-per-address',
      'max-rate',
      'max-propagations',
      'max-dump',
    ];
    for (const option of [...options, 'auth-timeout', 'idle-timeout', 'timeout', 'load']) {
      expect(stdout).toContain(`\n  --${option}=`);
    }
  });
});

test('--listen: only there; --idle-timeout and --timeout end what waits', async () => {
  const args = ['-d', '--listen=127.0.0.1', '--listen=::1', '--idle-timeout=1', '--timeout=60'];
  const kpropd = await started(args);
  await rig.send(kpropd.port, { dump: rig.good, host: 'localhost' });
  await expect(rig.send(kpropd.port, { host: '127.0.0.2' })).rejects.toThrow('127.0.0.2');
  const idle = await openInsider(kpropd.port, await labCredential(rig.lab));
  await kpropd.until(
    () => /timed out while reading database size/.test(kpropd.stderr),
    'a time-out',
  );
  idle.channel.close();
  await kpropd.stop();
  rig.holdGood();
});

test('SIGTERM does not wait for a primary that has stalled', async () => {
  const kpropd = await started(['-D']);
  const proxy = await startProxy(kpropd.port, { from: 'client', afterBytes: 40_000, fate: 'hold' });
  const sent = rig.send(proxy.port, { limits: { authenticateMillis: 60_000 } });
  sent.catch(() => undefined);
  await proxy.struck;
  kpropd.signal('SIGTERM');
  const { signal } = await kpropd.ended;
  expect(signal).toBe('SIGTERM');
  await expect(sent).rejects.toThrow();
  await proxy.close();
  await rig.expectIntact();
}, 60_000);

// Node has some twenty descriptors before it listens.
test.each([64, 100])(
  'with %d descriptors: neither strangers nor loads use up all',
  async (limit) => {
    const kpropd = await started(
      ['-D', '--max-connections=5000'],
      ['prlimit', `--nofile=${limit}`],
    );
    const silence = await fallSilent(kpropd.port, { count: 400, addresses: 100 });
    await rig.eventually(() => silence.open < limit / 2);
    for (let round = 0; round < 2; round += 1) await rig.send(kpropd.port, { dump: rig.good });
    silence.end();
    await kpropd.stop();
    await rig.expectIntact();
    rig.holdGood();
  },
);

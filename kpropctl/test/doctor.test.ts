import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { startClockRelay } from '../../test/support/kdc/clock-relay.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import type { Diagnosis, Finding } from '../src/doctor/finding.ts';
import { followerOf } from './follow.ts';
import { ControlRealm, type Replica } from './realm.ts';
import { validator } from './schema.ts';

// What is sound is not complained about, nothing is changed by looking, and nothing is waited for in vain.

let realm: ControlRealm;
let ours: Replica;
let mit: Replica;
beforeAll(async () => {
  realm = await ControlRealm.create();
  ours = await realm.addReplica('ours');
  mit = await realm.addReplica('mit');
  realm.configure();
  await realm.run('run');
  for (const replica of realm.replicas) await realm.startKdc(replica);
});
afterAll(() => realm.close());
beforeEach(() => realm.configure());

const asPublished = validator('doctor-1');

async function diagnose(...args: readonly string[]): Promise<Diagnosis> {
  const { stdout, stderr, status } = await realm.run('doctor', '--json', ...args);
  expect(stderr).toBe('');
  const diagnosis: Diagnosis = JSON.parse(stdout);
  asPublished(diagnosis);
  expect(status).toBe(diagnosis.exit);
  return diagnosis;
}

const wrong = ({ findings }: Diagnosis): readonly Finding[] =>
  findings.filter(({ state }) => state !== 'ok');

describe('a sound realm', () => {
  test('nothing to complain about, in JSON and in text', async () => {
    const diagnosis = await diagnose();
    expect(wrong(diagnosis)).toEqual([]);
    expect(diagnosis.exit).toBe(0);
    const checks = (on: string) =>
      diagnosis.findings.filter((one) => one.on === on).map(({ check }) => check);
    expect(checks('here')).toEqual([
      ...['configuration', 'role', 'name', 'key', 'dump', 'iprop', 'programs'],
    ]);
    for (const { host } of realm.replicas) {
      expect(checks(host)).toEqual(['name', 'port', 'clock', 'principal', 'ACL', 'generation']);
    }
    const { stdout, status } = await realm.run('doctor');
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^\S+ \(here\)\n {2}✓ [\s\S]*\n {2}✓ primary: kadmind runs here\n[\s\S]*with the KDC's key version \d+[\s\S]*\n127\.0\.0\.12\n {2}✓ name: [\s\S]*\nno problems\.\n$/,
    );
  });

  test('without proof as well', async () => {
    realm.configure({ proof: 'none' });
    await realm.run('run');
    expect(wrong(await diagnose())).toEqual([]);
    realm.configure();
    await realm.run('run');
  });

  test('nothing is written on either side, and a propagation passes right after it', async () => {
    const before = [realm.lab.primary, ours.site, mit.site].map(({ folder }) => listing(folder));
    await diagnose();
    const after = [realm.lab.primary, ours.site, mit.site].map(({ folder }) => listing(folder));
    expect(after).toEqual(before);
    // MIT's kpropd opens its temporary file as soon as it has authenticated somebody.
    expect(statSync(join(mit.site.folder, 'from_master.temp')).size).toBe(0);
    expect((await realm.run('run')).status).toBe(0);
  });
});

/** Every file with its size and time, but for logs, replay caches, and what kpropd notes of each connection. */
function listing(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/\.log$|\.rcache2$|^tmp$|^from_master\.(?:temp|status)$/.test(name))
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}

test('a replica that is held is behind on purpose; status says why, below its table', async () => {
  await realm.run('hold', mit.host, '--for', '2h', '--reason', 'its disk is replaced');
  await realm.lab.addPrincipals(['while-it-is-held']);
  await realm.run('run');
  const { findings } = await diagnose();
  expect(findings.find(({ on, check }) => on === mit.host && check === 'generation')).toMatchObject(
    {
      ...{
        state: 'ok',
        what: expect.stringMatching(/^its KDC answers, and has generation \d+: held$/),
      },
    },
  );
  const { stdout } = await realm.run('status');
  expect(stdout.split('\n').slice(-3)).toEqual([
    ...['', `${mit.host}: held for 1 h 59 min: its disk is replaced`, ''],
  ]);
  await realm.run('release', mit.host);
  await realm.run('run');
});

describe('what does not answer', () => {
  test('a kpropd that says nothing, and a KDC that says nothing: both are told in time', async () => {
    const silentKpropd = createServer(() => undefined);
    const silentKdc = createSocket('udp4');
    const [kpropPort, kdcPort] = [await freePort(), await freePort()];
    silentKpropd.listen(kpropPort, ours.host);
    silentKdc.bind(kdcPort, '127.0.0.1');
    await once(silentKpropd, 'listening');
    try {
      realm.configure({}, { [ours.host]: { port: `${kpropPort}`, kdc: `127.0.0.1:${kdcPort}` } });
      const { millis } = await realm.run('doctor', '--json');
      const found = wrong(await diagnose());
      expect(millis).toBeLessThan(40_000);
      expect(found.map(({ on, check, state }) => [on, check, state])).toEqual([
        [ours.host, 'clock', 'unknown'],
        [ours.host, 'ACL', 'unknown'],
        [ours.host, 'generation', 'unknown'],
      ]);
    } finally {
      silentKpropd.close();
      silentKdc.close();
    }
  });

  test('a name that does not resolve', async () => {
    expect(wrong(await diagnose('nowhere.invalid'))).toContainEqual(
      expect.objectContaining({
        ...{ on: 'nowhere.invalid', check: 'name', state: 'failure' },
        fix: expect.stringContaining('getent hosts'),
      }),
    );
  });
});

describe('the clock of a replica', () => {
  test.each([
    [30, 'warning'],
    [-3_600, 'failure'],
  ])('%i s off', async (aheadSeconds, state) => {
    const relay = await startClockRelay(mit.kdcPort, { aheadSeconds });
    try {
      realm.configure({}, { [mit.host]: { kdc: `127.0.0.1:${relay.port}` } });
      const [found, ...others] = wrong(await diagnose());
      expect(others).toEqual([]);
      expect(found).toMatchObject({ on: mit.host, check: 'clock', state });
      const commands = { 'chronyc makestep': () => relay.step() };
      const follower = followerOf(realm, { units: () => Promise.reject(), commands });
      await follower.follow(found?.fix ?? '');
      expect(wrong(await diagnose())).toEqual([]);
    } finally {
      relay.close();
    }
  });

  test('an hour off, as its kpropd tells', async () => {
    await ours.kpropd?.stop();
    await realm.startKpropd(ours, 'ours', [], realm.clockOff(3_600_000));
    expect(wrong(await diagnose())).toMatchObject(
      [
        {
          ...{ on: ours.host, check: 'clock', state: 'failure' },
          ...{ what: /[Cc]lock skew/, fix: 'run on 127.0.0.11:   chronyc makestep' },
        },
      ].map((one) => ({ ...one, what: expect.stringMatching(one.what) })),
    );
    await ours.kpropd?.stop();
    await realm.startKpropd(ours, 'ours');
  });
});

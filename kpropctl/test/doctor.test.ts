import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { startClockRelay } from '../../test/support/kdc/clock-relay.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import type { Diagnosis, Finding } from '../src/doctor/finding.ts';
import { followerOf } from './follow.ts';
import { ControlRealm, program, type Replica } from './realm.ts';
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

  test('what kprop does not need of this host: to be a service', async () => {
    await realm.kadminLocal([`modprinc -allow_svr ${realm.lab.client}`]);
    try {
      expect(wrong(await diagnose())).toEqual([]);
      expect((await realm.run('run')).status).toBe(0);
    } finally {
      await realm.kadminLocal([`modprinc +allow_svr ${realm.lab.client}`]);
    }
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
    .filter(
      (name) => !/\.log$|\.rcache2$|^tmp$|^from_master\.(?:temp|status(?:\.new)?)$/.test(name),
    )
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
        [ours.host, 'ACL', 'failure'],
        [ours.host, 'generation', 'unknown'],
      ]);
    } finally {
      silentKpropd.close();
      silentKdc.close();
    }
  });

  test('the first KDC of krb5.conf, which is another host: nothing is restarted here', async () => {
    const { krb5Conf } = realm.lab.primary;
    const text = readFileSync(krb5Conf, 'utf8');
    writeFileSync(krb5Conf, `[realms]\n  LAB.EXAMPLE = {\n    kdc = 127.0.0.99:1\n  }\n${text}`);
    try {
      expect(wrong(await diagnose())).toMatchObject([
        {
          ...{ on: 'here', check: 'key', what: 'the KDC 127.0.0.99:1 does not answer' },
          fix: 'run on 127.0.0.99:   systemctl restart krb5-kdc',
        },
      ]);
    } finally {
      writeFileSync(krb5Conf, text);
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

test("MIT's kpropd hangs up on a host that it has never let in: its ACL comes first", async () => {
  await mit.kpropd?.stop();
  await realm.startKpropd(mit, 'mit', ['-f', join(mit.site.folder, 'none', 'from_master')]);
  const state = join(realm.state, 'state.json');
  const text = readFileSync(state, 'utf8');
  const acl = async () => wrong(await diagnose()).filter(({ check }) => check === 'ACL');
  try {
    const what =
      /hangs up on host\S+: it is not in the ACL there, or the received dump cannot be written/;
    expect(await acl()).toMatchObject([
      { what: expect.stringMatching(what), fix: `run on ${mit.host}:   kpropctl doctor --here` },
    ]);
    rmSync(state);
    expect(await acl()).toMatchObject([
      {
        what: expect.stringMatching(what),
        fix: expect.stringMatching(/^add this line to \S+ on \S+: {3}host\/\S+$/),
      },
    ]);
  } finally {
    writeFileSync(state, text);
    await mit.kpropd?.stop();
    await realm.startKpropd(mit, 'mit');
  }
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

  test('this host alone is off: all replicas agree with each other, and it is blamed once', async () => {
    const relays = await Promise.all(
      realm.replicas.map(({ kdcPort }) => startClockRelay(kdcPort, { aheadSeconds: 3_600 })),
    );
    try {
      const places = realm.replicas.map(({ host }, index) => [
        host,
        { kdc: `127.0.0.1:${relays[index]?.port}` },
      ]);
      realm.configure({}, Object.fromEntries(places));
      const found = wrong(await diagnose());
      expect(found).toMatchObject([
        {
          ...{
            on: ours.host,
            check: 'clock',
            state: 'failure',
            fix: 'run here:   chronyc makestep',
          },
          what: expect.stringMatching(/^clock: this host is \S+ \S+ behind .* agree/),
        },
        { on: mit.host, check: 'clock', state: 'unknown', fix: '' },
      ]);
    } finally {
      for (const relay of relays) relay.close();
    }
  });

  test("this host's own clock is an hour off: all that follows from it has no fix of its own", async () => {
    const { config, lab } = realm;
    const args = [program, 'doctor', '--json', '--config', config];
    const env = realm.clockOff(3_600_000);
    const { stdout } = await lab.run(process.execPath, args, { env });
    const found = wrong(JSON.parse(stdout));
    expect(found).toContainEqual(
      expect.objectContaining({
        ...{ on: ours.host, check: 'clock', state: 'failure', fix: 'run here:   chronyc makestep' },
        what: expect.stringMatching(/^clock: this host is (?:1 h|59 min) ahead of its replicas/),
      }),
    );
    expect(found.filter(({ fix }) => fix !== '')).toHaveLength(1);
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

import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { startClockRelay } from '../../test/support/kdc/clock-relay.ts';
import { folderListing } from '../../test/support/lab/folder-listing.ts';
import { followFix } from '../../test/support/lab/follow-fix.ts';
import { Lab, type LabProcess, ourProgram, packageRoot } from '../../test/support/lab/lab.ts';
import { freePort, listens } from '../../test/support/lab/lab-process.ts';
import type { Diagnosis, Finding } from '../src/doctor/finding.ts';

// kpropctl doctor --here, on a replica. What needs no asking is tried in test/server/check.

const program = join(packageRoot, 'kpropctl', 'dist', 'main.js');

let lab: Lab;
let port: number;
let kpropd: LabProcess;
let kdc: LabProcess;
beforeAll(async () => {
  lab = await Lab.create({ principals: 5 });
  port = await freePort();
  const { krb5Conf } = lab.replica;
  const both = `[realms]\n  LAB.EXAMPLE = {\n    kdc = 127.0.0.1:${lab.primary.kdcPort}\n    admin_server = vm\n  }\n`;
  writeFileSync(
    krb5Conf,
    `${both}${readFileSync(krb5Conf, 'utf8').replace(/.*ignore_acc.*\n/, '')}`,
  );
  await lab.dump();
  await startKpropd(['kpropd', ...words()].join(' '));
  expect(await lab.ourKprop({ port, host: lab.host })).toMatchObject({ status: 0 });
  kdc = await lab.startKdc('replica');
});
afterAll(() => lab.close());

const words = () => ['-D', '-P', `${port}`, '-a', lab.replica.acl, '-f', lab.replica.fromMaster];

/** Runs a command line of kpropd, as a root shell of the replica does. */
async function startKpropd(command: string): Promise<void> {
  const [, ...args] = command.split(' ');
  kpropd = lab.start(process.execPath, [ourProgram('kpropd'), ...args], { role: 'replica' });
  await kpropd.until(() => listens(port), 'kpropd');
}

function doctor(...more: readonly string[]) {
  const args = ['doctor', '--here', '--kpropd', words().join(' '), ...more];
  return lab.run(process.execPath, [program, ...args], { role: 'replica' });
}

async function diagnose(): Promise<Diagnosis> {
  const { stdout, stderr } = await doctor('--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const wrong = ({ findings }: Diagnosis) => findings.filter(({ state }) => state !== 'ok');

test('a sound replica: nothing but ok, and nothing is written', async () => {
  // Its KDC logs that it was asked.
  const site = () =>
    folderListing(lab.replica.folder).filter((line) => !/^(krb5kdc\.log|\.) /.test(line));
  const before = site();
  const { status, stdout } = await doctor();
  expect(stdout).toMatch(/\(here\)\n( {2}✓ .*\n)+no problems\.\n$/);
  expect(status).toBe(0);
  expect(site()).toEqual(before);
  const checks = (await diagnose()).findings.map(({ on, check }) => `${on} ${check}`);
  for (const check of ['options', 'ACL', 'stash', 'port', 'clock', 'key', 'KDC', 'programs']) {
    expect(checks).toContain(`here ${check}`);
  }
});

interface Breakage {
  readonly break: () => unknown;
  readonly check: string;
  readonly what: RegExp;
  readonly fix: RegExp;
  readonly state?: Finding['state'];
  /** What the fix stands for, where it is not a command of the lab's shell. */
  readonly follow?: (fix: string) => unknown;
}

const newKey =
  /^kadmin -q "ktremove -k \S+ host\/vm@LAB\.EXAMPLE all" && kadmin -q "ktadd -k \S+ host\/vm@LAB\.EXAMPLE"$/;

/** Something of its principal that every KDC minds, or only one of a client with a password. */
const principal = (broken: string, o: Pick<Breakage, 'what' | 'fix' | 'state'>): Breakage => ({
  break: () => lab.kadminLocal('primary', `modprinc ${broken} ${lab.client}`),
  ...{ check: 'key', ...o },
});

const restartKdc = async () => {
  await lab.stopKdc('replica');
  kdc = await lab.startKdc('replica');
};

const breakages: Readonly<Record<string, Breakage>> = {
  'kpropd does not run': {
    break: () => kpropd.stop(),
    ...{ check: 'port', what: /nothing listens on port \d+ \(ECONNREFUSED\)/ },
    fix: /^kpropd -D -P \d+ -a \S+ -f \S+$/,
    follow: startKpropd,
  },
  'krb5kdc does not run': {
    break: () => lab.stopKdc('replica'),
    ...{ check: 'KDC', what: /krb5kdc/, fix: /^systemctl (re)?start krb5-kdc$/ },
    follow: restartKdc,
  },
  'krb5kdc hangs': {
    break: () => kdc.signal('SIGSTOP'),
    ...{ check: 'KDC', what: /does not answer at 127\.0\.0\.1:\d+/ },
    fix: /^systemctl restart krb5-kdc$/,
    follow: () => {
      kdc.signal('SIGCONT');
      return restartKdc();
    },
  },
  'krb5kdc serves another database': {
    break: async () => {
      await lab.stopKdc('replica');
      const { kdcConf, database } = lab.replica;
      const text = readFileSync(kdcConf, 'utf8');
      for (const part of ['', '.kadm5', '.ok', '.kadm5.lock']) {
        copyFileSync(database + part, `${database}-other${part}`);
      }
      writeFileSync(kdcConf, text.replace(database, `${database}-other`));
      await lab.startKdc('replica');
      writeFileSync(kdcConf, text);
    },
    ...{ check: 'KDC', what: /does not serve \S+\/principal$/ },
    fix: /^systemctl restart krb5-kdc$/,
    follow: restartKdc,
  },
  'the key was changed in the KDC': {
    break: () => lab.kadminLocal('primary', `cpw -randkey ${lab.client}`),
    ...{
      check: 'key',
      what: /^the keytab has an old key of host\/vm@\S+: .*asked 127\.0\.0\.1:\d+/,
    },
    fix: newKey,
    follow: async (fix) => {
      await followFix(fix, { lab, port });
      // The new key is not in the database of this host's own KDC yet.
      const late = wrong(await diagnose());
      expect(late).toMatchObject([{ check: 'key', state: 'warning', fix: 'on vm: kprop vm' }]);
      await lab.dump();
      await followFix(late[0]?.fix ?? '', { lab, port });
    },
  },
  'its principal was made anew: the key has a lower version': {
    break: async () => {
      await lab.kadminLocal('primary', `delprinc -force ${lab.client}`);
      await lab.kadminLocal('primary', `addprinc -randkey ${lab.client}`);
    },
    ...{ check: 'key', what: /^the keytab has an old key of host\/vm@/, fix: newKey },
    follow: async (fix) => {
      // The primary has the same name here, and the same trouble.
      rmSync(lab.primary.keytab);
      await followFix(fix, { lab, port });
      await lab.dump();
      await followFix('on vm: kprop vm', { lab, port });
    },
  },
  'its principal is locked': principal('-allow_tix', {
    what: /revoked/,
    fix: /^kadmin -q "modprinc \+allow_tix -unlock host\/vm@LAB\.EXAMPLE"$/,
  }),
  'its principal has expired': principal('-expire yesterday', {
    what: /expired/,
    fix: /^kadmin -q "modprinc -expire never host\/vm@LAB\.EXAMPLE"$/,
  }),
  'its principal is not allowed to be a service': principal('-allow_svr', {
    what: /./,
    fix: /^kadmin -q "modprinc \+allow_svr host\/vm@LAB\.EXAMPLE"$/,
  }),
  'the password of its principal has expired': principal('-pwexpire yesterday', {
    ...{ what: /a propagation needs no ticket of this host/, state: 'warning' },
    fix: /^kadmin -q "modprinc -pwexpire never -needchange host\/vm@LAB\.EXAMPLE"$/,
  }),
  'its principal wants a token (hardware)': principal('+requires_hwauth', {
    ...{ what: /a propagation needs no ticket of this host/, state: 'warning' },
    fix: /^kadmin -q "modprinc -requires_hwauth host\/vm@LAB\.EXAMPLE"$/,
  }),
  'the ACL lacks the realm': {
    break: () => writeFileSync(lab.replica.acl, 'host/vm\n'),
    ...{ check: 'ACL', what: /it has no realm/, fix: /^write line 1 of / },
  },
  'the stash file is missing': {
    break: () => rmSync(lab.replica.stash),
    ...{ check: 'stash', what: /no stash file/, fix: /^scp -p vm:/ },
  },
};

describe('a breakage', () => {
  test.each(Object.keys(breakages))('%s', async (name) => {
    const breakage = breakages[name] as Breakage;
    await breakage.break();
    const found = wrong(await diagnose()).filter(({ check }) => check === breakage.check);
    expect(found[0]).toMatchObject({
      on: 'here',
      state: breakage.state ?? 'failure',
      what: expect.stringMatching(breakage.what),
      fix: expect.stringMatching(breakage.fix),
    });
    const fix = found[0]?.fix ?? '';
    await (breakage.follow?.(fix) ?? followFix(fix, { lab, port }));
    expect(wrong(await diagnose())).toEqual([]);
  });
});

test('what all KDCs say alike is told once', async () => {
  await lab.kadminLocal('primary', `modprinc -pwexpire yesterday ${lab.client}`);
  await lab.dump();
  await lab.load(lab.dumpFile);
  const [found, ...others] = wrong(await diagnose());
  expect(others).toEqual([]);
  const both = `(asked 127.0.0.1:${lab.primary.kdcPort}, 127.0.0.1:${lab.replica.kdcPort})`;
  expect(found?.what.endsWith(both), found?.what).toBe(true);
  await followFix(found?.fix ?? '', { lab, port });
  await lab.dump();
  await lab.load(lab.dumpFile);
  expect(wrong(await diagnose())).toEqual([]);
});

describe('the clock', () => {
  test.each([
    [30, 'warning'],
    [-3_600, 'failure'],
  ])('%i s off from the KDC', async (aheadSeconds, state) => {
    const relay = await startClockRelay(lab.primary.kdcPort, { aheadSeconds });
    const { krb5Conf } = lab.replica;
    const text = readFileSync(krb5Conf, 'utf8');
    writeFileSync(krb5Conf, text.replaceAll(`:${lab.primary.kdcPort}`, `:${relay.port}`));
    try {
      const found = wrong(await diagnose());
      expect(found).toMatchObject([
        {
          ...{ check: 'clock', state, fix: 'chronyc makestep' },
          what: expect.stringMatching(
            /^clock: this host is \S+ \S+ (?:behind|ahead of) the KDC 127/,
          ),
        },
      ]);
      relay.step();
      expect(wrong(await diagnose())).toEqual([]);
    } finally {
      writeFileSync(krb5Conf, text);
      relay.close();
    }
  });
});

test('a KDC that swallows everything does not hold it up', async () => {
  const hole = lab.start('/usr/bin/python3', [
    '-c',
    `import socket, time
t = socket.create_server(('127.0.0.1', 0)); port = t.getsockname()[1]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', port))
print(port, flush=True); time.sleep(600)`,
  ]);
  await hole.until(() => /\d+\n/.test(hole.stdout), 'a black hole');
  const { krb5Conf } = lab.replica;
  const text = readFileSync(krb5Conf, 'utf8');
  const kdc = `127.0.0.1:${hole.stdout.trim()}`;
  writeFileSync(krb5Conf, `[realms]\n  LAB.EXAMPLE = {\n    kdc = ${kdc}\n  }\n${text}`);
  const { stdout, millis } = await doctor('--json');
  expect(wrong(JSON.parse(stdout))).toMatchObject([
    {
      state: 'warning',
      what: `the KDC ${kdc} does not answer`,
      fix: expect.stringContaining(`remove the line kdc = ${kdc} from krb5.conf`),
    },
  ]);
  // Its limit is 6 s; the rest is for a busy machine.
  expect(millis).toBeLessThan(30_000);
  writeFileSync(krb5Conf, text);
  expect(wrong(await diagnose())).toEqual([]);
});

import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { loadKrb5Config } from '../../../src/host/config-files.ts';
import { checkReplica } from '../../../src/server/check/check-replica.ts';
import type { CheckReplicaOptions } from '../../../src/server/check/checked-site.ts';
import type { CheckFinding } from '../../../src/server/check/finding.ts';
import { followFix } from '../../support/lab/follow-fix.ts';
import { type Kpropd, Lab } from '../../support/lab/lab.ts';

// What is broken on purpose is found; the fix is followed to the letter; then nothing is wrong.

let lab: Lab;
let kpropd: Kpropd;
let newKeys = false;
beforeAll(async () => {
  lab = await Lab.create({
    principals: 20,
    krb5ConfExtra: '[realms]\n  LAB.EXAMPLE = {\n    admin_server = vm\n  }\n',
  });
  await lab.dump();
  await lab.load(lab.dumpFile);
  kpropd = await lab.startOurKpropd();
  await lab.addPrincipals([`kiprop/${lab.host}`]);
  rmSync(lab.replica.keytab);
  await keysInto(lab.replica.keytab);
  expect(await lab.ourKprop({ port: kpropd.port, host: lab.host })).toMatchObject({ status: 0 });
  // As an administrator has it: only a host of this name is let in.
  writeFileSync(
    lab.replica.krb5Conf,
    readFileSync(lab.replica.krb5Conf, 'utf8').replace(/.*ignore_acceptor.*\n/, ''),
  );
  cpSync(lab.replica.folder, join(lab.folder, 'sound'), { recursive: true });
});
afterAll(() => lab.close());
// What one breakage leaves must not reach the next.
afterEach(async () => {
  const { folder, keytab } = lab.replica;
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  chmodSync(folder, 0o755);
  const sound = join(lab.folder, 'sound');
  if (newKeys) {
    rmSync(join(sound, basename(keytab)));
    await keysInto(join(sound, basename(keytab)));
    newKeys = false;
  }
  cpSync(sound, folder, { recursive: true });
});

type Overrides = Partial<CheckReplicaOptions>;

function findings(more: Overrides = {}): Promise<readonly CheckFinding[]> {
  const { acl, fromMaster, krb5Conf, kdcConf, keytab } = lab.replica;
  return checkReplica({
    config: loadKrb5Config({ krb5ConfFiles: krb5Conf, kdcConfFile: kdcConf }),
    ...{ port: kpropd.port, acl, file: fromMaster, keytab: `FILE:${keytab}` },
    loader: { path: '/usr/sbin/kdb5_util', environment: {} },
    ...more,
  });
}

const wrong = (all: readonly CheckFinding[]) => all.filter(({ state }) => state !== 'ok');

async function keysInto(keytab: string): Promise<void> {
  const names = `host/${lab.host} kiprop/${lab.host}`;
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${keytab} ${names}`);
}

/** What a fix says is done; it may have changed keys. */
async function follow({ fix }: { readonly fix: string } = { fix: '' }): Promise<readonly string[]> {
  newKeys = fix.includes('ktadd');
  return followFix(fix, { lab, port: kpropd.port });
}

describe('a sound replica', () => {
  test('nothing is wrong', async () => {
    const all = await findings();
    expect(wrong(all)).toEqual([]);
    expect(all.map(({ check }) => check)).toEqual([
      ...['name', 'keytab', 'ACL', 'stash', 'database', 'spool', 'space', 'loader', 'iprop'],
      ...['unit', 'service', 'port'],
    ]);
  });

  test('with --load=native no kdb5_util need be there', async () => {
    expect(
      wrong(await findings({ load: 'native', loader: loaderAt('/nowhere/kdb5_util') })),
    ).toEqual([]);
  });

  test('a stash file of the form before krb5 1.7 opens the database, too', async () => {
    const { stash } = lab.replica;
    const keytab = readFileSync(stash);
    writeFileSync(stash, oldStash(keytab.subarray(keytab.length - 36, keytab.length - 4)));
    expect(wrong(await findings())).toEqual([]);
    // MIT's own judgement of the file.
    const mit = await lab.run('/usr/sbin/kdb5_util', ['list_mkeys'], { role: 'replica' });
    expect([mit.status, mit.stdout]).toEqual([0, expect.stringContaining('KVNO: 1')]);
    writeFileSync(stash, oldStash(Buffer.alloc(32, 7)));
    expect(wrong(await findings())).toMatchObject([{ check: 'stash', state: 'failure' }]);
  });
});

/** An aes256 key, as little-endian hosts wrote it. */
function oldStash(key: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([18, 0, 32, 0, 0, 0]), key]);
}

interface Breakage {
  readonly break: () => unknown;
  readonly check: CheckFinding['check'];
  readonly what: RegExp;
  readonly fix: RegExp;
  readonly state?: CheckFinding['state'];
  /** What else is wrong then. */
  readonly besides?: readonly CheckFinding['check'][];
  /** Options of kpropd that are the fault. */
  readonly options?: () => Overrides;
}

const acl = (text: () => string) => () => writeFileSync(lab.replica.acl, text());
const line = (text: string) => acl(() => text.replace('P@', `${lab.client}`.replace(/@.*/, '@')));
const me = 'host/vm@LAB\\.EXAMPLE';
const lineFix = new RegExp(`^write line 1 of .*/kpropd\\.acl as: ${me}$`);

/** A line of the ACL that seems to let the primary in. */
function lookAlike(text: string, what: RegExp, fix = lineFix): Breakage {
  return { break: line(text), check: 'ACL', what, fix };
}

const conf = (file: 'krb5Conf' | 'kdcConf', change: (text: string) => string) => {
  const path = lab.replica[file];
  writeFileSync(path, change(readFileSync(path, 'utf8')));
};
const iprop = (lines: string) => () =>
  conf(
    'kdcConf',
    (text) => `[realms]\n  LAB.EXAMPLE = {\n    iprop_enable = true\n${lines}  }\n${text}`,
  );

const breakages: Readonly<Record<string, Breakage>> = {
  'there is no keytab': {
    break: () => rmSync(lab.replica.keytab),
    ...{ check: 'keytab', what: /there is no keytab/ },
    fix: /^kadmin -q "ktadd -k \S+ host\/vm@LAB\.EXAMPLE"$/,
  },
  'the keytab is none': {
    break: () => writeFileSync(lab.replica.keytab, 'no keytab at all'),
    ...{ check: 'keytab', what: /is not a keytab/, fix: /^rm \S+ && kadmin -q "ktadd/ },
  },
  'the keytab is a folder': {
    break: () => {
      rmSync(lab.replica.keytab);
      mkdirSync(lab.replica.keytab);
    },
    ...{ check: 'keytab', what: /is not a file/, fix: /^rm -r \S+ && kadmin -q "ktadd/ },
  },
  'the keytab is of another host': {
    break: async () => {
      rmSync(lab.replica.keytab);
      await lab.kadminLocal('primary', `ktadd -norandkey -k ${lab.replica.keytab} host/localhost`);
    },
    ...{ check: 'keytab', what: /no key of host\/vm@LAB\.EXAMPLE, but keys of localhost/ },
    fix: /^kadmin -q "ktadd/,
  },
  'kpropd is started for another realm': {
    break: () => undefined,
    options: () => ({ realm: 'OTHER.EXAMPLE' }),
    besides: ['stash', 'database'],
    ...{ check: 'keytab', what: /keys of the realm LAB\.EXAMPLE, and kpropd serves OTHER/ },
    fix: /^start kpropd with -r LAB\.EXAMPLE$/,
  },
  'the keys have an encryption type that is not permitted': {
    break: () =>
      conf('krb5Conf', (text) => `[libdefaults]\n  permitted_enctypes = aes128-cts\n${text}`),
    ...{ check: 'keytab', what: /permitted_enctypes excludes/ },
    fix: /^write under \[libdefaults\] of krb5\.conf: permitted_enctypes = aes256-cts-hmac-sha1-96$/,
  },
  'others may read the keytab': {
    break: () => chmodSync(lab.replica.keytab, 0o644),
    ...{
      check: 'keytab',
      state: 'warning',
      what: /can be read by other users/,
      fix: /^chmod 600 \S+$/,
    },
  },
  'the keytab belongs to somebody else': {
    break: () => chownSync(lab.replica.keytab, 12_345, 0),
    ...{
      check: 'keytab',
      state: 'warning',
      what: /belongs to the user 12345/,
      fix: /^chown root \S+$/,
    },
  },
  'there is no ACL': {
    break: () => rmSync(lab.replica.acl),
    ...{ check: 'ACL', what: /every propagation is refused/, fix: new RegExp(`^echo ${me} > `) },
  },
  'the ACL is empty': {
    break: acl(() => ''),
    ...{ check: 'ACL', what: /names nobody/, fix: new RegExp(`^echo ${me} >> `) },
  },
  'the ACL is a folder': {
    break: () => {
      rmSync(lab.replica.acl);
      mkdirSync(lab.replica.acl);
    },
    ...{ check: 'ACL', what: /is not a file/, fix: /^rm -r \S+ && echo/ },
  },
  'the ACL names another primary': {
    break: acl(() => 'host/elsewhere.invalid@LAB.EXAMPLE\n'),
    ...{ check: 'ACL', state: 'warning', what: /does not let in host\/vm/, fix: /^echo .* >> / },
  },
  'the ACL names the primary in capitals': {
    break: acl(() => `host/${lab.host.toUpperCase()}@LAB.EXAMPLE\n`),
    ...{ check: 'ACL', state: 'warning', what: /does not let in host\/vm/, fix: /^echo .* >> / },
  },
  'ACL: a comment': lookAlike('# P@LAB.EXAMPLE\n', /it is a comment/),
  'ACL: a leading blank': lookAlike(' P@LAB.EXAMPLE\n', /first column/),
  'ACL: a byte order mark': lookAlike('\ufeffP@LAB.EXAMPLE\n', /first column/),
  'ACL: no realm': lookAlike('host/vm\n', /it has no realm/),
  'ACL: a wildcard': lookAlike('host/*@LAB.EXAMPLE\n', /no wildcards/),
  'ACL: a word that is no encryption type': lookAlike('P@LAB.EXAMPLE 18\n', /"18" is not an enc/),
  'ACL: a comment behind the principal': lookAlike('P@LAB.EXAMPLE # kdc1\n', /"# kdc1" is not/),
  'ACL: another encryption type': lookAlike('P@LAB.EXAMPLE aes128-cts\n', /and it wants aes128/),
  'ACL: a blank behind the encryption type': lookAlike(
    'P@LAB.EXAMPLE aes256-cts \n',
    /something follows/,
    /as: host\/vm@LAB\.EXAMPLE aes256-cts$/,
  ),
  'ACL: CR LF behind the encryption type': lookAlike(
    'P@LAB.EXAMPLE aes256-cts\r\n',
    /something follows/,
    /as: host\/vm@LAB\.EXAMPLE aes256-cts$/,
  ),
  'ACL: the same principal twice, once wrongly': {
    break: line('P@LAB.EXAMPLE\nhost/vm\n'),
    ...{ check: 'ACL', state: 'warning', what: /line 2 .* no realm/, fix: /^sed -i 2d \S+$/ },
  },
  'others may change the ACL': {
    break: () => chmodSync(lab.replica.acl, 0o666),
    ...{ check: 'ACL', state: 'warning', what: /can be changed by other/, fix: /^chmod go-w \S+$/ },
  },
  'there is no stash file': {
    break: () => rmSync(lab.replica.stash),
    ...{ check: 'stash', what: /there is no stash file/, fix: /^scp -p vm:\S+ \S+$/ },
  },
  'the stash file is of another realm': {
    break: async () => {
      const keytab = readFileSync(lab.replica.stash);
      const at = keytab.length - 10;
      keytab[at] = (keytab[at] ?? 0) ^ 1;
      writeFileSync(lab.replica.stash, keytab);
    },
    ...{ check: 'stash', what: /does not open K\/M@LAB\.EXAMPLE/, fix: /^scp -p vm:\S+ \S+$/ },
  },
  'the stash file is none': {
    break: () => writeFileSync(lab.replica.stash, 'x'),
    ...{ check: 'stash', what: /is of no use: it is no stash file/, fix: /^scp -p/ },
  },
  'others may read the stash file': {
    break: () => chmodSync(lab.replica.stash, 0o644),
    ...{
      check: 'stash',
      state: 'warning',
      what: /stash file .* can be read/,
      fix: /^chmod 600 \S+$/,
    },
  },
  'there is no database yet': {
    break: () => {
      for (const part of ['', '.kadm5', '.ok', '.kadm5.lock']) rmSync(lab.replica.database + part);
    },
    ...{ check: 'database', state: 'warning', what: /no database/, fix: /^on vm: kprop vm$/ },
  },
  'the database is damaged': {
    break: () => writeFileSync(lab.replica.database, Buffer.alloc(8192)),
    ...{ check: 'database', what: /cannot be opened: .*written/, fix: /^on vm: kprop vm$/ },
  },
  'the policies are missing': {
    break: () => rmSync(`${lab.replica.database}.kadm5`),
    ...{ check: 'database', what: /\.kadm5 cannot be opened/, fix: /^on vm: kprop vm$/ },
  },
  'others may read the database': {
    break: () => chmodSync(lab.replica.database, 0o644),
    ...{ check: 'database', state: 'warning', what: /can be read/, fix: /^chmod 600 \S+$/ },
  },
  'the folder of the spool file is missing': {
    break: () => undefined,
    options: () => ({ file: join(lab.folder, 'spool/new/from_master') }),
    ...{ check: 'spool', what: /there is no folder/, fix: /^mkdir -p -m 700 \S+$/ },
  },
  'a folder is in the place of the spool file': {
    break: () => {
      rmSync(lab.replica.fromMaster);
      mkdirSync(lab.replica.fromMaster);
    },
    ...{ check: 'spool', what: /is in the way/, fix: /^mv \S+ \S+\.old$/ },
  },
  'others may write to the folder of the spool file': {
    break: () => chmodSync(lab.replica.folder, 0o777),
    ...{ check: 'spool', state: 'warning', what: /others may write/, fix: /^chmod go-w \S+$/ },
  },
  'others may read the received dump': {
    break: () => {
      writeFileSync(lab.replica.fromMaster, '');
      chmodSync(lab.replica.fromMaster, 0o644);
    },
    ...{
      check: 'spool',
      state: 'warning',
      what: /the dump .* can be read/,
      fix: /^chmod 600 \S+$/,
    },
  },
  'there is no loader': {
    break: () => undefined,
    options: () => ({ loader: loaderAt('/nowhere/kdb5_util') }),
    ...{
      check: 'loader',
      what: /cannot be run: No such/,
      fix: /^start kpropd with -p \/usr\/sbin/,
    },
  },
  'the loader cannot be executed': {
    break: () => writeFileSync(join(lab.folder, 'kdb5_util'), '', { mode: 0o644 }),
    options: () => ({ loader: loaderAt(join(lab.folder, 'kdb5_util')) }),
    ...{ check: 'loader', what: /cannot be run: Permission denied/, fix: /^chmod a\+x \S+$/ },
  },
  '--load=native, and the database is a link': {
    break: () => {
      renameSync(lab.replica.database, `${lab.replica.database}.real`);
      symlinkSync(`${lab.replica.database}.real`, lab.replica.database);
    },
    options: () => ({ load: 'native' }),
    ...{ check: 'loader', what: /is a symbolic link/, fix: /^start kpropd with --load=auto$/ },
  },
  'iprop without a primary': {
    break: () => {
      iprop('    iprop_port = 2121\n')();
      conf('krb5Conf', (text) => text.replace(/.*admin_server.*\n/, ''));
    },
    ...{ check: 'iprop', what: /no admin_server/ },
    fix: /^write under LAB\.EXAMPLE in \[realms\] of krb5\.conf: admin_server = PRIMARY$/,
  },
  'iprop without a port': {
    break: iprop(''),
    ...{ check: 'iprop', what: /no iprop_port/ },
    fix: /^write under LAB\.EXAMPLE in \[realms\] of kdc\.conf: iprop_port = 2121$/,
  },
  'the update log is none': {
    break: () => {
      iprop('    iprop_port = 2121\n')();
      writeFileSync(
        `${lab.replica.database}.ulog`,
        'this is not an update log, but long enough for one',
      );
    },
    ...{ check: 'iprop', what: /is not an update log/, fix: /^rm -r \S+\.ulog$/ },
  },
};

describe('a breakage', () => {
  test.each(Object.keys(breakages))('%s', async (name) => {
    const breakage = breakages[name] as Breakage;
    const options = breakage.options?.() ?? {};
    await breakage.break();
    const found = wrong(await findings(options));
    expect(found).toMatchObject([
      {
        check: breakage.check,
        state: breakage.state ?? 'failure',
        what: expect.stringMatching(breakage.what),
        fix: expect.stringMatching(breakage.fix),
      },
      ...(breakage.besides ?? []).map((check) => ({ check })),
    ]);
    const started = await follow(found[0]);
    expect(wrong(await findings({ ...options, ...overridesOf(started) }))).toEqual([]);
  });
});

/** What the options mean that a fix says kpropd is to be started with. */
function overridesOf(words: readonly string[]): Overrides {
  const [first = '', value = ''] = words;
  switch (first) {
    case '-r':
      return { realm: value };
    case '-p':
      return { loader: loaderAt(value) };
    case '--load=auto':
      return { load: 'auto' };
    default:
      return {};
  }
}

function loaderAt(path: string) {
  return { path, environment: {} };
}

test('a key for polling is missing', async () => {
  iprop('    iprop_port = 2121\n')();
  rmSync(lab.replica.keytab);
  await lab.kadminLocal('primary', `ktadd -norandkey -k ${lab.replica.keytab} host/${lab.host}`);
  const found = wrong(await findings());
  expect(found).toMatchObject([
    { check: 'iprop', what: expect.stringMatching(/no key of kiprop/) },
  ]);
  await follow(found[0]);
  expect(wrong(await findings())).toEqual([]);
});

test('another program has the port', async () => {
  const other = lab.start('/usr/bin/python3', [
    '-c',
    'import socket,time; s=socket.create_server(("127.0.0.1",0)); print(s.getsockname()[1],flush=True); time.sleep(600)',
  ]);
  await other.until(() => /\d+\n/.test(other.stdout), 'a listener');
  const port = other.stdout.trim();
  const found = wrong(await findings({ port }));
  expect(found).toMatchObject([
    { check: 'port', what: `port ${port} is taken by python3 (pid ${other.pid})` },
  ]);
  await follow(found[0]);
  await other.ended;
  expect(wrong(await findings({ port }))).toEqual([]);
});

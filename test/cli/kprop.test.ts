import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { Lab, ourProgram } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import type { Outcome } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { expectReplicaHas, runKprop, succeeded } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

const ourKprop = ourProgram('kprop');
let lab: Lab;
let kpropd: Kpropd;
beforeAll(async () => {
  lab = await Lab.create({ principals: 200 });
  await lab.dump();
  kpropd = await lab.startMitKpropd();
});
afterAll(() => lab.close());

/** Either program with exactly these arguments, and none of the lab's own. */
function run(make: Make, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return make === 'ours'
    ? lab.run(process.execPath, [ourKprop, ...args], { env })
    : lab.run('/usr/sbin/kprop', args, { env, argv0: 'kprop' });
}

async function both(args: readonly string[], env?: NodeJS.ProcessEnv) {
  const said = ({ status, stdout, stderr }: Outcome) => ({ status, stdout, stderr });
  const [mit, ours] = [said(await run('mit', args, env)), said(await run('ours', args, env))];
  expect(ours).toEqual(mit);
  return ours;
}

describe('the .last_prop file', () => {
  const path = () => `${lab.dumpFile}.127.0.0.1.last_prop`;
  afterEach(() => rmSync(path(), { recursive: true, force: true }));

  test.each(['mit', 'ours'] as const)(
    'of kprop (%s): one NUL, for its owner alone',
    async (make) => {
      expect(await runKprop(lab, make, { port: kpropd.port })).toMatchObject(succeeded());
      expect(readFileSync(path()).equals(Buffer.of(0))).toBe(true);
      expect(statSync(path()).mode & 0o777).toBe(0o600);
    },
  );

  test('is named by the host as typed, and cut to its one byte', async () => {
    const typed = `${lab.dumpFile}.LocalHost.last_prop`;
    for (const make of ['mit', 'ours'] as const) {
      writeFileSync(typed, 'much longer');
      chmodSync(typed, 0o644);
      const sent = await runKprop(lab, make, { port: kpropd.port, host: 'LocalHost' });
      expect(sent).toMatchObject(succeeded('LocalHost'));
      expect(readFileSync(typed).equals(Buffer.of(0))).toBe(true);
      expect(statSync(typed).mode & 0o777).toBe(0o644);
    }
  });

  test('that cannot be written is reported, and is not a failure', async () => {
    mkdirSync(path());
    const stderr = `kprop: Is a directory while creating 'last_prop' file, '${path()}'\n`;
    for (const make of ['mit', 'ours'] as const) {
      const sent = await runKprop(lab, make, { port: kpropd.port });
      expect(sent).toMatchObject({ ...succeeded(), stderr });
    }
    await expectReplicaHas(lab);
  });

  test('is not written by a propagation that failed', async () => {
    expect((await lab.ourKprop({ port: 1 })).status).toBe(1);
    expect(existsSync(path())).toBe(false);
  });
});

describe('the environment', () => {
  const send = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    both(['-P', String(kpropd.port), '-f', lab.dumpFile, ...args, '127.0.0.1'], env);

  test('KRB5_CONFIG: the first of several files wins', async () => {
    const first = join(lab.primary.folder, 'first.conf');
    writeFileSync(first, `[realms]\n  ${lab.realm} = {\n    kdc = 127.0.0.1:1\n  }\n`);
    const missing = join(lab.primary.folder, 'missing.conf');
    const both = `${missing}:${lab.primary.krb5Conf}`;
    expect(await send({ KRB5_CONFIG: both })).toMatchObject(succeeded());
    // Both files list a KDC of the realm: the second is asked when the first is down.
    const merged = `${first}:${lab.primary.krb5Conf}`;
    expect(await send({ KRB5_CONFIG: merged })).toMatchObject(succeeded());
  });

  test('KRB5_KTNAME, and -s over it', async () => {
    const { keytab } = lab.primary;
    expect(await send({ KRB5_KTNAME: keytab })).toMatchObject(succeeded());
    expect(await send({ KRB5_KTNAME: '/none' }, '-s', keytab)).toMatchObject(succeeded());
    expect(await send({ KRB5_KTNAME: '/none' }, '-s', `FILE:${keytab}`)).toMatchObject(succeeded());
  });

  test('KRB5CCNAME does not matter', async () => {
    const env = { KRB5CCNAME: 'FILE:/none/ccache' };
    expect(await send(env)).toMatchObject(succeeded());
  });
});

describe('the reader of its output', () => {
  const shell = (script: string) => {
    const program = `${process.execPath} ${ourKprop}`;
    const args = lab.kpropArgs({ port: kpropd.port, args: ['-d'] });
    return lab.run('/bin/sh', ['-c', script.replace('KPROP', `${program} "$@"`), 'kprop', ...args]);
  };

  test.each([
    ['is not there', 'KPROP >&- 2>&-; echo $? >&3'],
    ['has left', '{ KPROP; echo $? >&3; } | exec true'],
    ['has no room', 'KPROP >/dev/full 2>/dev/full; echo $? >&3'],
  ])('%s: the propagation goes on', async (_, script) => {
    await lab.addPrincipals([`reader${script.length}`]);
    await lab.dump();
    const { stdout, stderr } = await shell(`{ ${script}; } 3>&1`);
    expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' });
    await expectReplicaHas(lab);
  });
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s in the middle of a dump',
    async (name) => {
      const before = await lab.replicaDump();
      const file = join(lab.primary.folder, 'large');
      makeSyntheticDump(file, 100_000, { basedOn: readFileSync(lab.dumpFile, 'latin1') });
      const proxy = await startProxy(kpropd.port, {
        from: 'client',
        afterBytes: 100_000,
        fate: 'hold',
      });
      const args = lab.kpropArgs({ port: proxy.port, file });
      const sending = lab.start(process.execPath, [ourKprop, ...args]);
      await proxy.struck;
      sending.signal(name);
      expect(await sending.ended).toMatchObject({ signal: name, stdout: '', stderr: '' });
      await proxy.close();
      expect(existsSync(`${file}.127.0.0.1.last_prop`)).toBe(false);
      expect(await lab.replicaDump()).toBe(before);
    },
  );

  test('while GSS fetches the ticket: its private folder goes, too', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1');
    await once(silent, 'listening');
    const file = join(lab.primary.folder, 'silent.conf');
    const kdc = `127.0.0.1:${silent.address().port}`;
    writeFileSync(file, `[realms]\n  ${lab.realm} = {\n    kdc = ${kdc}\n  }\n`);
    const env = { KRB5_CONFIG: `${file}:${lab.primary.krb5Conf}` };
    const args = lab.kpropArgs({ port: 1, args: ['--gss'] });
    const folders = () => readdirSync(join(lab.primary.folder, 'tmp'));
    const sending = lab.start(process.execPath, [ourKprop, ...args], { env });
    await once(silent, 'message');
    expect(folders()).toEqual([expect.stringMatching(/^kprop-gss-/)]);
    sending.signal('SIGTERM');
    expect(await sending.ended).toMatchObject({ signal: 'SIGTERM', stdout: '', stderr: '' });
    expect(folders()).toEqual([]);
    silent.close();
  });
});

describe('the replica that received it', () => {
  /** DNS leads from 127.0.0.1 to localhost, as it may lead anywhere. */
  const misled = () => {
    const file = join(lab.primary.folder, 'canonical.conf');
    writeFileSync(file, '[libdefaults]\ndns_canonicalize_hostname = true\nrdns = true\n');
    return { KRB5_CONFIG: `${file}:${lab.primary.krb5Conf}` };
  };
  let any: Kpropd;
  beforeAll(async () => {
    // Where names are looked up in this way, this host may be localhost to itself, too.
    const acl = join(lab.replica.folder, 'acl-both');
    writeFileSync(acl, `${lab.client}\n${other()}\n`);
    any = await lab.startMitKpropd({ acl });
  });
  const send = (...args: string[]) =>
    lab.ourKprop({ port: any.port, args: ['-s', lab.replica.keytab, ...args], env: misled() });
  const other = () => `host/localhost@${lab.realm}`;
  const tickets = () => lab.kdcLog('primary').length;

  test('is named if it is not what was typed', async () => {
    const { status, stdout, stderr } = await send();
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: 'Database propagation to 127.0.0.1: SUCCEEDED\n',
    });
    expect(stderr).toMatch(
      new RegExp(
        `^warning: 127\\.0\\.0\\.1 turned out to be ${other()}\nfix: [^\n]*\`--expect ${other()}\`[^\n]*\n$`,
      ),
    );
  });

  test('is only the one that --expect names; for another one no ticket is even asked', async () => {
    const before = tickets();
    const { status, stdout, stderr } = await send('--expect', `host/127.0.0.1@${lab.realm}`);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(`127.0.0.1 is ${other()}, and not host/127.0.0.1@${lab.realm}`);
    expect(tickets()).toBe(before);
    expect(await send('--expect', other())).toMatchObject(succeeded());
    expect(await send('--expect', 'host/localhost')).toMatchObject(succeeded());
    expect((await send('--expect', 'a@b@c')).status).toBe(1);
  });
});

describe('a confirmation that does not arrive', () => {
  test('is waited for until --confirm-timeout is over', async () => {
    const loader = lab.loaderStub('exec sleep 60', 'sleeper');
    const slow = await lab.startOurKpropd({ loader });
    const args = ['--confirm-timeout', '1'];
    const { status, stdout, stderr } = await lab.ourKprop({ port: slow.port, args });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('Connection timed out while reading response from server');
    await slow.stop('SIGKILL');
  });

  test('ends with the whole propagation when --timeout is over', async () => {
    const loader = lab.loaderStub('exec sleep 60', 'long-sleeper');
    const slow = await lab.startOurKpropd({ loader });
    const args = ['--timeout', '2'];
    const { status, stdout, stderr } = await lab.ourKprop({ port: slow.port, args });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(
      /^kprop: Connection timed out .*\ncause: .* within 2 s \(--timeout\)\nfix: .*`--timeout 8`\n$/,
    );
    await slow.stop('SIGKILL');
  });

  test.each(['', '-1', '1.5', 'soon'])('%j is not a time', async (text) => {
    const { status, stderr } = await lab.ourKprop({
      port: kpropd.port,
      args: [`--confirm-timeout=${text}`],
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^kprop: --confirm-timeout takes a whole number of seconds, not '[^']*'\n/,
    );
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { type LabProcess, ourProgram, packageRoot, type RunOptions } from '../support/lab/lab.ts';
import { freePort, listens } from '../support/lab/lab-process.ts';
import { ReplicaRig, textOnceThere } from '../support/rig/replica-rig.ts';

const program = ourProgram('kpropd');

let rig: ReplicaRig;
const daemons: number[] = [];
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterEach(() => {
  for (const pid of daemons.splice(0)) {
    if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
  }
  rmSync(pidFile(), { force: true });
});
afterAll(() => rig.close());

const inFolder = (name: string) => join(rig.lab.replica.folder, name);
const pidFile = () => inFolder('pid');
const paths = () => ['-a', rig.lab.replica.acl, '-f', rig.lab.replica.fromMaster];

const run = (args: readonly string[], o: RunOptions = {}) =>
  rig.lab.run(process.execPath, [program, ...args], { role: 'replica', limitMillis: 15_000, ...o });

/** A kpropd in the foreground that listens. */
async function started(
  args: readonly string[],
  o: RunOptions = {},
): Promise<LabProcess & { readonly port: number }> {
  const port = await freePort();
  const all = [program, '-P', `${port}`, ...paths(), ...args];
  const kpropd = rig.lab.start(process.execPath, all, { role: 'replica', ...o });
  await kpropd.until(() => kpropd.stdout.includes('ready\n'), 'ready');
  expect(listens(port)).toBe(true);
  return Object.assign(kpropd, { port });
}

/** A kpropd that went to the background. */
async function daemon(args: readonly string[], o: RunOptions = {}) {
  const port = await freePort();
  const ended = await run(['-P', `${port}`, '--pid-file', pidFile(), ...args], o);
  expect(ended).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(listens(port)).toBe(true);
  const pid = Number(readFileSync(pidFile(), 'utf8'));
  daemons.push(pid);
  return { port, pid };
}

describe('the command line', () => {
  test.each([
    [['-z']],
    [['operand']],
    [['-d', 'operand']],
    [['-P']],
    [['-dz']],
    [['-S', '-D', '--', 'x']],
  ])("%j is answered as by MIT's kpropd", async (args) => {
    const ours = await run(args);
    const theirs = await rig.lab.run('/usr/sbin/kpropd', args, {
      role: 'replica',
      argv0: 'kpropd',
    });
    expect(ours).toMatchObject({ status: 1, stdout: theirs.stdout, stderr: theirs.stderr });
    expect(theirs.status).toBe(1);
    expect(ours.stderr).toContain('\nUsage: kpropd [-r realm] [-s keytab] [-d] [-D] [-S]\n');
  });

  test('an unknown long option is answered with the usage', async () => {
    expect(await run(['--pidfile=x'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^kpropd: unrecognized option '--pidfile=x'\n\nUsage: kpropd /),
    });
  });

  test('--load with another word is answered with the words that it knows', async () => {
    expect(await run(['--load=early'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^kpropd: --load takes one of auto, native, kdb5_util, streamed, complete, not '[^']*'\n\nUsage: kpropd /,
      ),
    });
  });

  test.each([
    ['auto', (temporary: string) => temporary],
    ['streamed', () => '/dev/stdin'],
    ['complete', (temporary: string) => temporary],
  ])('--load=%s: what a program of -p is given', async (mode, place) => {
    const given = join(rig.lab.replica.folder, 'tmp', 'given');
    const loader = rig.lab.loaderStub(`cat "$4" >/dev/null; echo "$4" >'${given}'`, 'given');
    const kpropd = await started([`--load=${mode}`, '-D', '-p', loader]);
    await rig.send(kpropd.port, { dump: rig.good });
    expect(readFileSync(given, 'utf8')).toBe(`${place(rig.lab.replica.fromMaster)}\n`);
    await kpropd.stop();
  });

  test('--load=streamed with an LMDB database: it does not start, and says why', async () => {
    const kdcConf = join(rig.lab.replica.folder, 'lmdb.conf');
    writeFileSync(kdcConf, `[dbmodules]\n  ${rig.lab.realm} = {\n    db_library = klmdb\n  }\n`);
    const ended = await run(['-d', '--load=streamed'], { env: { KRB5_KDC_PROFILE: kdcConf } });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('loading streamed is not safe with the database library klmdb');
  });

  test('old and new spellings are taken: -S, -x twice, -A, clusters, joined values', async () => {
    const args = ['-dS', '-x', 'a=b', '-xc=d', '-A', 'primary.example', `--pid=${pidFile()}`];
    const kpropd = await started([...args, '-F', rig.lab.replica.database, `-r${rig.lab.realm}`]);
    expect(readFileSync(pidFile(), 'utf8')).toBe(`${kpropd.pid}\n`);
    await rig.send(kpropd.port, { dump: rig.good });
    await rig.lab.replicaDump();
    await kpropd.stop();
  });
});

describe('in the foreground', () => {
  test("-d says what MIT's kpropd says", async () => {
    const kpropd = await started(['-d', '--load=kdb5_util']);
    const sent = await rig.lab.mitKprop({ port: kpropd.port, file: rig.good });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    const complete = /completed\.\nwaiting for a kprop connection\n$/;
    await kpropd.until(() => complete.test(kpropd.stderr), 'the end');
    expect(kpropd.stdout).toBe('ready\n');
    expect(kpropd.stderr.split('\n')).toEqual([
      'waiting for a kprop connection',
      'Connection from ::ffff:127.0.0.1',
      expect.stringMatching(
        RegExp(
          `^krb5_recvauth\\(\\d+, kprop5_01, host/${rig.lab.host}@${rig.lab.realm}, \\.\\.\\.\\)$`,
        ),
      ),
      `authenticated client: ${rig.lab.client} (etype == aes256-cts-hmac-sha1-96)`,
      'Full propagation transfer started.',
      'Full propagation transfer finished.',
      'calling kdb5_util to load database',
      expect.stringMatching(/^Load PID is \d+$/),
      'Database load process for full propagation completed.',
      'waiting for a kprop connection',
      '',
    ]);
    await kpropd.stop();
  });

  test('-D says nothing but ready, and passes on what kdb5_util says', async () => {
    const loader = rig.lab.loaderStub(`echo loading >&2; exec /usr/sbin/kdb5_util "$@"`);
    const kpropd = await started(['-D', '-p', loader]);
    await rig.send(kpropd.port, { dump: rig.good });
    expect([kpropd.stdout, kpropd.stderr]).toEqual(['ready\n', 'loading\n']);
    await kpropd.stop();
  });

  test('-d with a closed stderr still serves', async () => {
    const port = await freePort();
    const script = '{ "$@" & echo $! > pid-of-mute; wait; } 2>&1 | head -n 1 >/dev/null';
    const command = [process.execPath, program, '-d', '-P', `${port}`, ...paths()];
    const shell = rig.lab.start('sh', ['-c', script, 'sh', ...command], { role: 'replica' });
    await shell.until(() => listens(port), 'a kpropd that listens');
    daemons.push(Number(await textOnceThere(inFolder('pid-of-mute'))));
    for (let i = 0; i < 3; i++) await rig.send(port, { dump: rig.good });
    shell.kill();
  });

  test.each([
    ['no default realm', '[libdefaults]\n', /default realm/],
    ['no configuration', '[libdefaults\n', /while initializing krb5/],
  ])('%s: it says so and ends with 1', async (_what, text, expected) => {
    const krb5Conf = inFolder('odd.conf');
    writeFileSync(krb5Conf, text);
    for (const mode of [['-d'], ['-D'], []]) {
      const env = { KRB5_CONFIG: krb5Conf, KRB5_KDC_PROFILE: '/nonexistent' };
      const ended = await run([...mode, '-P', `${await freePort()}`], { env });
      expect(ended, mode.join()).toMatchObject({ status: 1, stdout: '' });
      expect(ended.stderr).toMatch(expected);
      expect(ended.stderr).toContain('fix: ');
      // Once, in every mode.
      expect(ended.stderr.match(/fix: /g)).toHaveLength(1);
    }
  });
});

describe('as a daemon', () => {
  test('the command ends when the port listens; the daemon lives on, bound to nothing', async () => {
    const { port, pid } = await daemon(paths());
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    for (const fd of [0, 1, 2]) expect(readlinkSync(`/proc/${pid}/fd/${fd}`)).toBe('/dev/null');
    const [, , group, session, terminal] = statOf(pid);
    expect([group, session, terminal]).toEqual([`${pid}`, `${pid}`, '0']);
    await rig.send(port, { dump: rig.good });
    expect(await rig.lab.mitKprop({ port, file: rig.good })).toMatchObject({ status: 0 });
  });

  test('relative paths mean what they meant where it was started', async () => {
    writeFileSync(inFolder('relative-loader'), '#!/bin/sh\nexec /usr/sbin/kdb5_util "$@"\n', {
      mode: 0o755,
    });
    writeFileSync(inFolder('relative-acl'), `${rig.lab.client}\n`);
    const args = ['-a', 'relative-acl', '-f', './relative-spool', '-p', 'relative-loader'];
    const { port } = await daemon([...args, '-s', 'FILE:krb5.keytab', '--pid-file', 'pid']);
    await rig.send(port, { dump: rig.good });
    expect(readFileSync(inFolder('relative-spool'))).toEqual(readFileSync(rig.good));
  });

  test('a port that is taken: one message, status 1, in every mode; the first one serves on', async () => {
    const { port } = await daemon(paths());
    for (const mode of [[], ['-D'], ['-d']]) {
      const ended = await run([...mode, '-P', `${port}`, ...paths()]);
      expect(ended, mode.join()).toMatchObject({
        status: 1,
        stdout: '',
        stderr: `kpropd: Address already in use while binding listener socket\ncause: cannot listen on all addresses port ${port}: Address already in use\nfix: stop the other kpropd, inetd or systemd socket (\`ss -ltnp\` shows it), or choose another port with -P\n`,
      });
    }
    await rig.send(port, { dump: rig.good });
  });

  test('a pid file that cannot be written: it says so, ends with 1 and listens no more', async () => {
    for (const mode of [[], ['-D'], ['-d']]) {
      const port = await freePort();
      const file = inFolder('no/such/pid');
      const ended = await run([...mode, '-P', `${port}`, ...paths(), `--pid-file=${file}`]);
      expect(ended, mode.join()).toMatchObject({
        status: 1,
        stderr: `${mode[0] === '-d' ? 'loads natively\n' : ''}kpropd: Could not write pid file ${file}: No such file or directory\n`,
      });
      expect(listens(port)).toBe(false);
    }
  });
});

/** State, parent, process group, session and terminal of a process. */
function statOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
}

test('a daemon whose starter is gone serves on', async () => {
  const daemonModule = JSON.stringify(join(packageRoot, 'dist/cli/kpropd/daemon.js'));
  const script = `import { tellParent } from ${daemonModule};
    tellParent('ready'); process.disconnect(); tellParent('ready');`;
  const args = ['--input-type=module', '-e', script];
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as const;
  const child = spawn(process.execPath, args, { stdio: [...stdio] });
  expect(await once(child, 'exit')).toEqual([0, null]);
});

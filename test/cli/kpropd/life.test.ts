import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type LabProcess, ourProgram, type RunOptions } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';
import { honest, startMiddleman, stranger } from '../../support/rig/attacker.ts';
import { ReplicaRig, textOnceThere } from '../../support/rig/replica-rig.ts';

const program = ourProgram('kpropd');

let rig: ReplicaRig;
beforeAll(async () => {
  rig = await ReplicaRig.open();
});
afterAll(() => rig.close());

const inFolder = (name: string) => join(rig.lab.replica.folder, name);
const paths = () => ['-a', rig.lab.replica.acl, '-f', rig.lab.replica.fromMaster];

async function started(
  args: readonly string[],
  o: RunOptions = {},
): Promise<LabProcess & { readonly port: number }> {
  const port = await freePort();
  const all = [program, '-P', `${port}`, ...paths(), ...args];
  const kpropd = rig.lab.start(process.execPath, all, { role: 'replica', ...o });
  await kpropd.until(() => kpropd.stdout.includes('ready\n'), 'ready');
  return Object.assign(kpropd, { port });
}

/** kdb5_util with a pause before it: long enough to send a signal meanwhile. */
const slowLoader = (seconds: number) =>
  rig.lab.loaderStub(
    `echo $$ > "$TMPDIR/slow.new"; mv "$TMPDIR/slow.new" "$TMPDIR/slow"; sleep ${seconds}; exec /usr/sbin/kdb5_util "$@"`,
    `slow-${seconds}`,
  );

async function propagating(kpropd: { readonly port: number }) {
  writeFileSync(inFolder('tmp/slow'), '');
  const sent = rig.send(kpropd.port, { dump: rig.good });
  sent.catch(() => undefined);
  const loader = Number(await textOnceThere(inFolder('tmp/slow')));
  return { sent, loader };
}

describe('signals', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s ends it at once while it is idle', async (name) => {
    const kpropd = await started(['-D']);
    await rig.send(kpropd.port, { dump: rig.good });
    kpropd.signal(name);
    expect(await kpropd.ended).toMatchObject({ status: null, signal: name });
    expect(listens(kpropd.port)).toBe(false);
  });

  test('a shell sees 143', async () => {
    const port = await freePort();
    const script = '"$@" & p=$!; until read x < ready; do :; done; kill $p; wait $p; echo $?';
    const command = [process.execPath, program, '-D', '-P', `${port}`, ...paths()];
    const shell = `mkfifo ready; ${script.replace('"$@" &', '"$@" > ready &')}`;
    const ended = await rig.lab.run('sh', ['-c', shell, 'sh', ...command], { role: 'replica' });
    expect(ended.stdout).toBe('143\n');
  });

  test('SIGTERM lets a propagation end, and takes no new one', async () => {
    const kpropd = await started(['-D', '-p', slowLoader(0.5)]);
    const { sent } = await propagating(kpropd);
    kpropd.signal('SIGTERM');
    await rig.eventually(() => !listens(kpropd.port));
    expect((await rig.failure(kpropd.port)).code).toBe('network.unreachable');
    await sent;
    expect(await kpropd.ended).toMatchObject({ signal: 'SIGTERM' });
    await rig.expectIntact();
  });

  test('a second SIGTERM waits for nothing: the loader is killed, nothing is promoted', async () => {
    const kpropd = await started(['-D', '-p', slowLoader(30)]);
    const { sent, loader } = await propagating(kpropd);
    kpropd.signal('SIGTERM');
    await rig.eventually(() => !listens(kpropd.port));
    kpropd.signal('SIGTERM');
    expect(await kpropd.ended).toMatchObject({ signal: 'SIGTERM' });
    await expect(sent).rejects.toMatchObject({ fault: 'network' });
    expect(() => process.kill(loader, 0)).toThrow('ESRCH');
    await rig.expectIntact();
    rig.holdGood();
  });

  test('SIGINT after SIGTERM waits for nothing, either', async () => {
    const kpropd = await started(['-D', '-p', slowLoader(30)]);
    const { sent, loader } = await propagating(kpropd);
    kpropd.signal('SIGTERM');
    await rig.eventually(() => !listens(kpropd.port));
    kpropd.signal('SIGINT');
    await kpropd.ended;
    await expect(sent).rejects.toMatchObject({ fault: 'network' });
    expect(() => process.kill(loader, 0)).toThrow('ESRCH');
    await rig.expectIntact();
    rig.holdGood();
  });

  test('SIGHUP and SIGUSR1 are answered with a line, and it serves on', async () => {
    const kpropd = await started(['-d', '-p', slowLoader(0.2)]);
    const { sent } = await propagating(kpropd);
    for (const name of ['SIGHUP', 'SIGUSR1', 'SIGHUP', 'SIGPIPE'] as const) kpropd.signal(name);
    await sent;
    await kpropd.until(() => /SIGHUP: /.test(kpropd.stderr), 'an answer to SIGHUP');
    await kpropd.until(() => /SIGUSR1: /.test(kpropd.stderr), 'an answer to SIGUSR1');
    await rig.send(kpropd.port, { dump: rig.good });
    await kpropd.stop();
  });

  test('a stranger does not hold up the end', async () => {
    const kpropd = await started(['-D']);
    const idle = stranger(kpropd.port, '');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const begin = performance.now();
    kpropd.signal('SIGTERM');
    expect(await kpropd.ended).toMatchObject({ signal: 'SIGTERM' });
    expect(performance.now() - begin).toBeLessThan(3_000);
    await idle;
  });
});

describe('-t', () => {
  test('serves one propagation and ends with 0', async () => {
    const kpropd = await started(['-t', '-D']);
    await rig.send(kpropd.port, { dump: rig.good });
    expect(await kpropd.ended).toMatchObject({ status: 0, signal: null });
    await rig.expectIntact();
  });

  test('ends with 0 after a failed one, too', async () => {
    const kpropd = await started(['-t', '-d']);
    await stranger(kpropd.port, 'GET / HTTP/1.0\r\n\r\n');
    expect(await kpropd.ended).toMatchObject({ status: 0, signal: null });
    await rig.expectIntact();
  });

  test('serves one, not two that come at the same time', async () => {
    const kpropd = await started(['-t', '-d', '-p', slowLoader(0.3)]);
    const { sent } = await propagating(kpropd);
    const second = await rig.failure(kpropd.port);
    expect(second.code).toMatch(/^network\./);
    await sent;
    expect(await kpropd.ended).toMatchObject({ status: 0 });
    expect(kpropd.stderr.match(/authenticated client/g)).toHaveLength(1);
    await rig.expectIntact();
    rig.holdGood();
  });
});

describe('under inetd', () => {
  /** Accepts one connection and makes it the stdin, stdout and stderr of a program, as inetd does. */
  const superServer = `
import os, socket, sys
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen(5)
print(listener.getsockname()[1], flush=True)
accepted = listener.accept()[0]
child = os.fork()
if child != 0: print('pid', child, flush=True)
if child == 0:
    for fd in (0, 1, 2): os.dup2(accepted.fileno(), fd)
    os.execv(sys.argv[1], sys.argv[1:])
accepted.close()
print('status', os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
`;

  async function inetd(args: readonly string[], o: RunOptions = {}) {
    const command = ['-c', superServer, process.execPath, program, ...paths(), ...args];
    const server = rig.lab.start('python3', command, { role: 'replica', ...o });
    await server.until(() => server.stdout.includes('\n'), 'a port');
    return Object.assign(server, { port: Number.parseInt(server.stdout, 10) });
  }

  test.each([[[]], [['-d']], [['-D', '-S']]])("%j: MIT's kprop succeeds", async (args) => {
    const server = await inetd(args);
    const sent = await rig.lab.mitKprop({ port: server.port, file: rig.good });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    expect((await server.ended).stdout).toMatch(/^\d+\npid \d+\nstatus 0\n$/);
    await rig.expectIntact();
  });

  test('a failure is told in the protocol and by the status, and nothing else is printed', async () => {
    const acl = inFolder('acl-nobody');
    writeFileSync(acl, '');
    const server = await inetd(['-d', '-a', acl]);
    const sent = await rig.lab.mitKprop({ port: server.port, file: rig.other });
    expect(sent.stderr).toMatch(
      /^Generic remote error: .* is not authorized to propagate to this host\n$/,
    );
    expect((await server.ended).stdout).toMatch(/\nstatus 1\n$/);
    await rig.expectIntact();
  });

  test.each([[[]], [['-d']], [['-D']]])(
    '%j: what is wrong here is not printed to the peer',
    async (args) => {
      const server = await inetd(args, {
        env: { KRB5_CONFIG: '/dev/zero/no', KRB5_KDC_PROFILE: '/no' },
      });
      expect((await stranger(server.port, '')).told.toString()).toBe('');
      expect((await server.ended).stdout).toMatch(/\nstatus 1\n$/);
    },
  );

  test('SIGTERM kills the loader, and is what it dies of', async () => {
    const server = await inetd(['-p', slowLoader(30)]);
    const { sent, loader } = await propagating(server);
    process.kill(Number(/pid (\d+)/.exec(server.stdout)?.[1]), 'SIGTERM');
    expect((await server.ended).stdout).toMatch(/\nstatus -15\n$/);
    await expect(sent).rejects.toMatchObject({ fault: 'network' });
    expect(() => process.kill(loader, 0)).toThrow('ESRCH');
    await rig.expectIntact();
    rig.holdGood();
  });

  test('the words of a loader do not get into the stream', async () => {
    const loader = rig.lab.loaderStub('echo noise; echo noise >&2; exec /usr/sbin/kdb5_util "$@"');
    const server = await inetd(['-p', loader]);
    const sent = await rig.lab.mitKprop({ port: server.port, file: rig.good });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    await server.ended;
  });
});

test("a daemon's loader gets of the daemon's environment what kdb5_util needs, and no more", async () => {
  const port = await freePort();
  const pid = inFolder('pid');
  const loader = rig.lab.loaderStub('env > "$TMPDIR/env"; exec /usr/sbin/kdb5_util "$@"');
  const args = [program, '-P', `${port}`, ...paths(), '-p', loader, '--pid-file', pid];
  const env = { LC_MARK: 'here', SECRET: 'mine', NOTIFY_SOCKET: '@nobody' };
  const ended = await rig.lab.run(process.execPath, args, { role: 'replica', env });
  expect(ended).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const daemon = Number(await textOnceThere(pid));
  try {
    await rig.send(port, { dump: rig.good });
    const given = Object.entries({ ...rig.lab.env('replica'), ...env });
    const seen = (await textOnceThere(inFolder('tmp/env'))).split('\n');
    expect(seen).toContain('LC_MARK=here');
    const names = new Set([...given.map(([name]) => name), 'PWD', 'OLDPWD', 'SHLVL', '_']);
    for (const name of ['SECRET', 'NOTIFY_SOCKET']) names.delete(name);
    const extra = seen.filter((line) => /^\w+=/.test(line) && !names.has(line.split('=')[0] ?? ''));
    expect(extra).toEqual([]);
  } finally {
    process.kill(daemon, 'SIGTERM');
  }
  await rig.eventually(() => !listens(port));
});

test('a primary that vanishes while it loads changes nothing about the load', async () => {
  const kpropd = await started(['-d', '-p', slowLoader(0.3)]);
  const middleman = await startMiddleman(kpropd.port, honest);
  const { sent } = await propagating(middleman);
  await middleman.close();
  await expect(sent).rejects.toMatchObject({ fault: 'network' });
  await kpropd.until(() => /completed\./.test(kpropd.stderr), 'the end of it');
  await kpropd.stop();
  await rig.expectIntact();
});

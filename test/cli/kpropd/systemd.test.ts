import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

import { sendDatagram } from '../../../src/host/libc.ts';
import { Lab, ourProgram, packageRoot } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';

/**
 * Does what systemd does: binds, listens, and starts the program with the socket as descriptor 3 and
 * LISTEN_PID of the very process; with "accept", hands over the accepted connection instead. Prints
 * the port, and what arrives on NOTIFY_SOCKET.
 */
const superServer = `
import os, socket, sys, threading
how, command = sys.argv[1], sys.argv[2:]
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen(5)
notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = os.environ['NOTIFY_SOCKET']; notified.bind(path)
print(listener.getsockname()[1], flush=True)
handed = listener if how == 'listen' else listener.accept()[0]
child = os.fork()
if child == 0:
    if how == 'stdin': os.dup2(handed.fileno(), 0)
    else:
        os.dup2(handed.fileno(), 3)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
        os.environ['LISTEN_FDNAMES'] = 'connection' if how == 'accept' else 'kpropd.socket'
    os.set_inheritable(3, True) if how != 'stdin' else None
    os.execv(command[0], command)
handed.close()
def notes():
    while True: print('notify ' + notified.recv(1000).decode().replace('\\n', ' '), flush=True)
if how == 'listen': threading.Thread(target=notes, daemon=True).start()
print('status %d' % os.waitpid(child, 0)[1], flush=True)
`;

let lab: Lab;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-systemd-'));
  lab = await Lab.create();
  await lab.dump();
});
afterEach(() => rmSync(join(folder, 'notify'), { force: true }));
afterAll(async () => {
  await lab.close();
  rmSync(folder, { recursive: true });
});

test.each(['listen', 'accept', 'stdin'] as const)(
  'a socket handed over by systemd: %s',
  async (how) => {
    const kpropd = [process.execPath, ourProgram('kpropd')];
    const options = ['-a', lab.replica.acl, '-f', lab.replica.fromMaster];
    if (how === 'listen') options.push('-D', '-t');
    const server = lab.start('/usr/bin/python3', ['-c', superServer, how, ...kpropd, ...options], {
      role: 'replica',
      env: { NOTIFY_SOCKET: join(folder, 'notify') },
    });
    await server.until(() => /^\d+\n/.test(server.stdout), 'the listening socket');
    const port = Number.parseInt(server.stdout, 10);
    if (how === 'listen') await server.until(() => server.stdout.includes('READY'), 'readiness');
    const sent = await lab.mitKprop({ port });
    expect(sent).toMatchObject({ status: 0, stderr: '' });
    const { stdout } = await server.ended;
    expect(stdout).toContain('status 0');
    if (how !== 'listen') return;
    // What systemctl status shows.
    expect(stdout).toContain('notify READY=1 STATUS=waiting for the first propagation\n');
    const statuses = stdout.match(/(?<=^notify STATUS=).*/gm) ?? [];
    expect(statuses).toHaveLength(3);
    expect(statuses[0]).toMatch(/^receiving \d\.\d kB from host\/.*@LAB\.EXAMPLE$/);
    expect(statuses[1]).toMatch(/^loading \d\.\d kB from host\/.*@LAB\.EXAMPLE$/);
    expect(statuses[2]).toMatch(/^\d{4}-.* UTC: loaded \d\.\d kB, \d+ principals from host\/.* s$/);
  },
);

test('a datagram that nothing receives is not an error', () => {
  expect(sendDatagram(join(folder, 'nobody'), 'READY=1')).toBe(false);
});

test('variables of another process are not for us', async () => {
  const script = `const { takeActivation } = await import('${join(packageRoot, 'dist/cli/kpropd/systemd.js')}');
    console.log(String(takeActivation(process.env)), Object.keys(process.env).join());`;
  const env = { LISTEN_PID: '1', LISTEN_FDS: '1' };
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  await new Promise((resolve) => child.on('close', resolve));
  expect(out.trim()).toBe('undefined');
});

test('with -D nothing but what the loader prints reaches the journal', async () => {
  const notify = join(folder, 'notify');
  const port = await freePort();
  const words = 'words of the loader';
  const loader = lab.loaderStub(`echo ${words}; [ ! -e fail ]`);
  const start = async (acl: string) => {
    const args = ['-D', '-P', String(port), '-a', acl, '-f', lab.replica.fromMaster, '-p', loader];
    const kpropd = lab.start(process.execPath, [ourProgram('kpropd'), ...args], {
      role: 'replica',
      // As systemd sets them; nobody listens on the first.
      env: { NOTIFY_SOCKET: notify, JOURNAL_STREAM: '8:12345' },
    });
    await kpropd.until(() => listens(port), 'kpropd -D');
    return kpropd;
  };
  const kpropd = await start(lab.replica.acl);
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 0 });
  writeFileSync(join(lab.replica.folder, 'fail'), '');
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 1 });
  kpropd.signal('SIGHUP');
  kpropd.signal('SIGUSR1');
  expect(await kpropd.stop()).toMatchObject({
    signal: 'SIGTERM',
    stdout: `ready\n${words}\n${words}\n`,
    stderr: '',
  });

  const closed = await start(join(lab.replica.folder, 'no.acl'));
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 1 });
  expect(await closed.stop()).toMatchObject({ stdout: 'ready\n', stderr: '' });
});

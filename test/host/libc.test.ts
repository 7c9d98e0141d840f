import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { canonicalHostName, lockFile, lockFileAsync, serviceByName } from '../../src/host/libc.ts';
import { searchDomain } from '../../src/host/resolv-conf.ts';

let dir: string;
let path: string;
let fd: number;
const children: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'libc-'));
  path = join(dir, 'file');
  writeFileSync(path, 'x');
  fd = openSync(path, 'r+');
});
afterEach(async () => {
  for (const child of children.splice(0)) await killed(child);
  closeSync(fd);
  rmSync(dir, { recursive: true });
});

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A Python process that runs one statement on the open file `f` and then sleeps. */
async function holder(statement: string): Promise<ChildProcess> {
  const program = `
import fcntl, struct, sys, time
f = open(sys.argv[1], 'r+b')
def ofd(kind, start=0, length=0):
    fcntl.fcntl(f, 37, struct.pack('hhqqi4x', kind, 0, start, length, 0))
${statement}
print('held', flush=True)
time.sleep(60)`;
  const child = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
}

/** What a foreign process says when it asks for a POSIX lock of its own. */
async function foreignTry(operation: 'LOCK_SH' | 'LOCK_EX'): Promise<string> {
  const program = `
import fcntl, sys
f = open(sys.argv[1], 'r+b')
try:
    fcntl.lockf(f, fcntl.${operation} | fcntl.LOCK_NB)
    print('taken')
except OSError:
    print('refused')`;
  const child = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [data] = await once(child.stdout, 'data');
  return String(data).trim();
}

const now = { wait: false };

describe('a lock of another process', () => {
  test.each([
    ['POSIX, exclusive', 'fcntl.lockf(f, fcntl.LOCK_EX)', { shared: false, exclusive: false }],
    ['POSIX, shared', 'fcntl.lockf(f, fcntl.LOCK_SH)', { shared: true, exclusive: false }],
    [
      'POSIX, exclusive, one byte far behind the end',
      'fcntl.lockf(f, fcntl.LOCK_EX, 1, 1 << 40)',
      { shared: false, exclusive: false },
    ],
    ['OFD, exclusive', 'ofd(1)', { shared: false, exclusive: false }],
    ['OFD, shared', 'ofd(0)', { shared: true, exclusive: false }],
    ['flock', 'fcntl.flock(f, fcntl.LOCK_EX)', { shared: true, exclusive: true }],
  ])('that is %s', async (_, statement, granted) => {
    await holder(statement);
    expect(lockFile(fd, 'exclusive', now)).toBe(granted.exclusive);
    expect(lockFile(fd, 'shared', now)).toBe(granted.shared);
  });

  test('is gone when that process ends', async () => {
    const child = await holder('fcntl.lockf(f, fcntl.LOCK_EX)');
    expect(lockFile(fd, 'shared', now)).toBe(false);
    await killed(child);
    expect(lockFile(fd, 'shared', now)).toBe(true);
  });
});

describe('our own lock', () => {
  test('keeps others out, and lets them in once it is given back', async () => {
    expect(lockFile(fd, 'shared', now)).toBe(true);
    expect(await foreignTry('LOCK_SH')).toBe('taken');
    expect(await foreignTry('LOCK_EX')).toBe('refused');
    expect(lockFile(fd, 'exclusive', now)).toBe(true);
    expect(await foreignTry('LOCK_SH')).toBe('refused');
    expect(lockFile(fd, 'unlock', now)).toBe(true);
    expect(await foreignTry('LOCK_EX')).toBe('taken');
  });

  test('belongs to its descriptor: another one of this process conflicts', () => {
    const other = openSync(path, 'r+');
    expect(lockFile(fd, 'exclusive', { wait: true })).toBe(true);
    expect(lockFile(other, 'shared', now)).toBe(false);
    closeSync(openSync(path, 'r')); // with POSIX locks this would drop ours
    expect(lockFile(other, 'shared', now)).toBe(false);
    expect(lockFile(fd, 'unlock', { wait: true })).toBe(true);
    expect(lockFile(other, 'shared', now)).toBe(true);
    closeSync(other);
  });

  test('cannot be had on a closed descriptor or, exclusively, on one for reading', () => {
    expect(() => lockFile(1_000_000, 'shared', now)).toThrow(
      expect.objectContaining({ code: 'EBADF' }),
    );
    const reader = openSync(path, 'r');
    expect(lockFile(reader, 'shared', now)).toBe(true);
    expect(() => lockFile(reader, 'exclusive', now)).toThrow(
      expect.objectContaining({ code: 'EBADF' }),
    );
    closeSync(reader);
  });
});

describe('waiting for a lock', () => {
  test('blocks until the holder lets go', async () => {
    await holder(`
fcntl.lockf(f, fcntl.LOCK_EX)
import threading
threading.Timer(0.3, lambda: fcntl.lockf(f, fcntl.LOCK_UN)).start()`);
    const start = performance.now();
    expect(lockFile(fd, 'exclusive', { wait: true })).toBe(true);
    expect(performance.now() - start).toBeGreaterThan(50);
  });

  test('leaves the event loop free when asynchronous', async () => {
    const child = await holder('fcntl.lockf(f, fcntl.LOCK_EX)');
    let taken = false;
    const waiting = lockFileAsync(fd, 'exclusive').then(() => {
      taken = true;
    });
    await sleep(100);
    expect(taken).toBe(false);
    await killed(child);
    await waiting;
    expect(await foreignTry('LOCK_SH')).toBe('refused');
  });

  test('ends with the signal’s reason', async () => {
    await holder('fcntl.lockf(f, fcntl.LOCK_EX)');
    const signal = AbortSignal.timeout(50);
    await expect(lockFileAsync(fd, 'shared', { signal })).rejects.toThrow(/aborted due to timeout/);
  });

  test('fails at once on a bad descriptor', async () => {
    await expect(lockFileAsync(1_000_000, 'shared')).rejects.toMatchObject({ code: 'EBADF' });
  });
});

describe('names from the resolver', () => {
  test('an address without rdns is its own name', async () => {
    expect(await canonicalHostName('127.0.0.1')).toBe('127.0.0.1');
  });

  test('a host that cannot exist has none', async () => {
    expect(await canonicalHostName('nosuch.invalid', { rdns: true })).toBeUndefined();
    expect(await canonicalHostName('')).toBeUndefined();
  });

  test('many look-ups at once do not mix', async () => {
    const addresses = Array.from({ length: 100 }, (_, index) => `127.0.1.${index}`);
    expect(await Promise.all(addresses.map((address) => canonicalHostName(address)))).toEqual(
      addresses,
    );
  });
});

// Each row was seen in the principal that MIT kprop makes of a short name.
describe('the search domain', () => {
  test.each([
    ['search first.example second.example\n', 'vm', 'first.example'],
    ['search first.example\ndomain D.example\n', 'vm', 'D.example'],
    ['search first.example\n  search two.example\n# search three\n', 'vm', 'first.example'],
    ['searchfoo a.example\n;search x\nsearch\tb.example;c\n', 'vm', 'b.example;c'],
    ['search first.example\nsearch\n', 'vm', 'first.example'],
    ['search .\n', 'vm', '.'],
    ['search\nnameserver 192.0.2.1\n', 'vm.a.b', 'a.b'],
    ['nameserver 192.0.2.1\n', 'box.corp.example', 'corp.example'],
    ['nameserver 192.0.2.1\n', 'vm', undefined],
    ['', 'vm.', undefined],
  ])('of %j on host %s is %s', (text, localHost, expected) => {
    writeFileSync(path, text);
    expect(searchDomain({ resolvConf: path, localHost })).toBe(expected);
  });

  test('is the host’s if there is no resolv.conf', () => {
    expect(searchDomain({ resolvConf: join(dir, 'none'), localHost: 'a.b.c' })).toBe('b.c');
  });
});

test('services and their aliases have TCP ports', () => {
  expect(serviceByName('domain')).toBe(53);
  expect(serviceByName('kerberos-sec')).toBe(88); // an alias
  expect(serviceByName('no-such-service')).toBeUndefined();
});

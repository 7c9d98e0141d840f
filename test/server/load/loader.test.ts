import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { KpropError } from '../../../src/errors/kprop-error.ts';
import { type LoaderOptions, type LoadRun, loadDump } from '../../../src/server/load/loader.ts';
import { packageRoot } from '../../support/lab/lab.ts';
import { processesOf, textOnceThere } from '../../support/rig/replica-rig.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'loader-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const place = (name: string) => join(folder, name);

/** Runs a shell script as the loader of a dump. */
function load(script: string, o: Partial<LoaderOptions> & Partial<LoadRun> = {}): Promise<void> {
  const path = place('kdb5_util');
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { kind = 'plain', signal, onStart, onOutput, ...options } = o;
  const environment = { PATH: process.env.PATH, HERE: folder };
  const loader = { path, realm: 'EXAMPLE.ORG', environment, ...options };
  return loadDump('/spool/from_master', loader, { kind, signal, onStart, onOutput });
}

async function failure(loading: Promise<void>): Promise<KpropError> {
  const error: unknown = await loading.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (error instanceof KpropError) return error;
  throw error ?? new Error('it should have failed');
}

describe('the command line', () => {
  test.each<readonly [string, Partial<LoaderOptions> & Partial<LoadRun>, string]>([
    ['plain', {}, '-r EXAMPLE.ORG load /spool/from_master'],
    ['with -F', { database: '/db' }, '-r EXAMPLE.ORG load -d /db /spool/from_master'],
    ['a resync', { kind: 'resync' }, '-r EXAMPLE.ORG load -i /spool/from_master'],
    [
      'both',
      { database: '/db', kind: 'resync' },
      '-r EXAMPLE.ORG load -d /db -i /spool/from_master',
    ],
  ])('%s', async (_what, o, line) => {
    await load('echo "$0 $@" > "$HERE/line"', o);
    expect(readFileSync(place('line'), 'utf8')).toBe(`${place('kdb5_util')} ${line}\n`);
  });

  test('words with blanks, quotes and dollars stay one word each', async () => {
    await load('printf "%s|" "$@" > "$HERE/line"', { database: '/a b', realm: `$(x) 'y"` });
    expect(readFileSync(place('line'), 'utf8')).toBe(
      `-r|$(x) 'y"|load|-d|/a b|/spool/from_master|`,
    );
  });

  test('the environment is the one that was given, and stdin is empty', async () => {
    await load('cat > "$HERE/in"; env > "$HERE/env"', {
      environment: {
        PATH: process.env.PATH,
        HERE: folder,
        KRB5_CONFIG: '/my.conf',
        GONE: undefined,
      },
    });
    const names = readFileSync(place('env'), 'utf8')
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names.filter((name) => !['PWD', '_', 'SHLVL', ''].includes(name ?? '')).sort()).toEqual([
      'HERE',
      'KRB5_CONFIG',
      'PATH',
    ]);
    expect(readFileSync(place('in'), 'utf8')).toBe('');
  });

  test('no descriptor of ours is open in it', async () => {
    const connections = createServer();
    await new Promise<void>((resolve) => connections.listen(0, resolve));
    const spool = openSync(place('spool'), 'w');
    const ours = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return [];
      }
    });
    await load('ls -l /proc/self/fd > "$HERE/fds"');
    const theirs = readFileSync(place('fds'), 'utf8').match(/(?<=-> ).*/g) ?? [];
    const shared = theirs.filter((target) => ours.includes(target));
    expect(ours).toContain(place('spool'));
    // What this process itself was given by its parent it hands on.
    expect(shared.filter((target) => /^socket:|spool/.test(target))).toEqual([]);
    closeSync(spool);
    connections.close();
  });
});

describe('its end', () => {
  test('status 0 is a load', async () => {
    let pid = 0;
    await load('echo "$$" > "$HERE/pid"', { onStart: (started) => (pid = started) });
    expect(readFileSync(place('pid'), 'utf8')).toBe(`${pid}\n`);
  });

  test.each([1, 2, 127, 255])('status %i is a failure', async (status) => {
    expect(await failure(load(`exit ${status}`))).toMatchObject({
      code: 'loader.failed',
      detail: { status, stderr: '' },
      message: `${place('kdb5_util')} returned a bad exit status (${status})`,
    });
  });

  test.each(['KILL', 'TERM', 'SEGV'])('SIG%s is a failure', async (name) => {
    const error = await failure(load(`echo why >&2; kill -${name} $$`));
    expect(error).toMatchObject({
      code: 'loader.killed',
      detail: { signal: `SIG${name}`, stderr: 'why' },
    });
  });

  test('its last words are not lost, ever', async () => {
    for (let i = 0; i < 40; i++) {
      const error = await failure(load(`echo "kdb5_util: no ${i}" >&2; exit 1`));
      expect(error.message).toContain(`(1): kdb5_util: no ${i}`);
    }
  });

  test('words of several lines come as one, without control characters', async () => {
    const error = await failure(load(`printf 'one\\ntwo\\033[31m\\0three\\n' >&2; exit 1`));
    expect(error.message).toMatch(/\(1\): one two \[31m three$/);
  });

  test('what it prints comes as it is printed', async () => {
    const heard: string[] = [];
    await load('echo out; echo err >&2', { onOutput: (text) => heard.push(text) });
    expect(heard.join('').split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  test('a child that it leaves behind does not hold it up', async () => {
    const begin = performance.now();
    await load('sleep 5 & echo $! > "$HERE/child"; exit 0');
    expect(performance.now() - begin).toBeLessThan(3_000);
    process.kill(Number(await textOnceThere(place('child'))));
  });

  test.each([
    ['missing', '/nonexistent/kdb5_util', 'ENOENT'],
    ['no program', '/etc/passwd', 'EACCES'],
    ['a folder', '/tmp', 'EACCES'],
    ['below a file', '/etc/passwd/kdb5_util', 'ENOTDIR'],
    ['a name too long', `/${'x'.repeat(300)}`, 'ENAMETOOLONG'],
    ['not in this folder, though in PATH', 'sh', 'ENOENT'],
  ])('%s is said to be so', async (_what, path, errno) => {
    const error = await failure(load('', { path }));
    expect(error).toMatchObject({ code: 'loader.missing', detail: { path, errno } });
  });
});

describe('a loader that does not end', () => {
  test('and prints without end fills no memory, and is killed', async () => {
    const control = new AbortController();
    let heard = 0;
    const before = process.memoryUsage().rss;
    const loading = load(`tr '\\0' '\\377' < /dev/zero >&2`, {
      signal: control.signal,
      onOutput: (text) => (heard += text.length),
    });
    setTimeout(() => control.abort(new KpropError('server.timeout', { millis: 500 })), 500);
    expect(await failure(loading)).toMatchObject({ code: 'server.timeout' });
    expect(heard).toBeLessThanOrEqual(2_048);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
    expect(processesOf(folder)).toEqual([]);
  });

  test('is killed with its children and theirs, though they ignore signals', async () => {
    const control = new AbortController();
    const loading = load(
      `trap '' TERM INT HUP
       sh -c 'trap "" TERM; sleep 60 & echo "$$ $!" > "$HERE/new"; mv "$HERE/new" "$HERE/pids"; sleep 61' &
       sleep 62`,
      { signal: control.signal },
    );
    const pids = (await textOnceThere(place('pids'))).trim().split(' ');
    control.abort(new KpropError('aborted', { reason: 'test' }));
    expect(await failure(loading)).toMatchObject({ code: 'aborted' });
    for (const pid of pids) {
      // It may be a zombie that nobody collects, in a container.
      const stat = spawnSync('cat', [`/proc/${pid}/stat`]).stdout.toString();
      expect(stat === '' || stat.includes(') Z ')).toBe(true);
    }
    expect(processesOf(folder)).toEqual([]);
  });

  test('is not even started when time is up already', async () => {
    rmSync(place('ran'), { force: true });
    const signal = AbortSignal.abort(new KpropError('aborted', { reason: 'test' }));
    expect(await failure(load('touch "$HERE/ran"', { signal }))).toMatchObject({ code: 'aborted' });
    expect(spawnSync('ls', [place('ran')]).status).not.toBe(0);
  });
});

test('where the descriptors run out, that is said, and nothing falls over', () => {
  const program = `
    import { openSync } from 'node:fs';
    import { loadDump } from ${JSON.stringify(join(packageRoot, 'dist/server/load/loader.js'))};
    process.exitCode = 9;
    try { for (;;) openSync('/dev/null'); } catch {}
    await loadDump('/dump', { path: '/bin/true', realm: 'R', environment: {} }, { kind: 'plain' })
      .catch((error) => { process.exitCode = error.code === 'loader.missing' ? 0 : 1; });`;
  const command = `ulimit -n 64; exec "$0" --input-type=module -e "$1"`;
  const ended = spawnSync('sh', ['-c', command, process.execPath, program], { encoding: 'utf8' });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
});

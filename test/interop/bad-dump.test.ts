import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import {
  bothFail,
  bothFailUnder,
  boundByModes,
  type Failure,
  oursFails,
} from '../support/lab/both-kprops.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import type { Outcome } from '../support/lab/lab-process.ts';
import { runKprop, startKpropd, succeeded } from '../support/lab/pairings.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';
import { startProxy } from '../support/rig/tcp-proxy.ts';

let lab: Lab;
let kpropd: Kpropd;
const path = (name: string) => join(lab.primary.folder, name);

beforeAll(async () => {
  lab = await Lab.create();
  await lab.load(await lab.dump());
  kpropd = await lab.startOurKpropd();
});
afterAll(() => lab.close());

/** A copy of the dump with its .dump_ok, to be spoilt. */
function copied(name: string): string {
  copyFileSync(lab.dumpFile, path(name));
  writeFileSync(`${path(name)}.dump_ok`, '\0');
  return path(name);
}

async function fails(file: string, text: string): Promise<Failure> {
  const failure = await bothFail(lab, { port: kpropd.port, file });
  expect(failure.mit).toEqual([`kprop: ${text}`]);
  expect(failure.ours).toEqual(failure.mit);
  expect(kpropd.stderr, 'nobody connected').not.toContain('Connection from');
  return failure;
}

test('no dump', async () => {
  const file = path('none');
  const { advice } = await fails(file, `No such file or directory while trying to open ${file}`);
  expect(advice).toMatch(/fix: run `kdb5_util dump \S+\/none`$/);
});

test('a dump without .dump_ok', async () => {
  const file = copied('not-ok');
  rmSync(`${file}.dump_ok`);
  const text = `No such file or directory while trying to stat ${file}.dump_ok`;
  const { advice } = await fails(file, text);
  expect(advice).toMatch(/not-ok\.dump_ok: No such file.*kdb5_util dump \S+\/not-ok`$/);
});

test('a dump that may not be read', async () => {
  const file = copied('secret');
  chmodSync(file, 0);
  const failure = await bothFailUnder(lab, boundByModes, { port: kpropd.port, file });
  expect(failure.mit).toEqual([`kprop: Permission denied while trying to open ${file}`]);
  expect(failure.ours).toEqual(failure.mit);
  expect(failure.advice).toMatch(
    /root may not read \S+\/secret, although it is the owner: its mode forbids it fix: run `chmod u\+r \S+\/secret`$/,
  );
});

test('a dump newer than its .dump_ok by a second; in the same second it is fine', async () => {
  const file = copied('newer');
  const second = Math.floor(Date.now() / 1000) - 100;
  utimesSync(file, second, second);
  utimesSync(`${file}.dump_ok`, second - 1, second - 0.001);
  const { advice } = await fails(file, `'${file}' more recent than '${file}.dump_ok'.`);
  expect(advice).toMatch(/kdb5_util dump is under way.* fix: wait for it to end/);

  utimesSync(file, second, second + 0.9);
  utimesSync(`${file}.dump_ok`, second, second);
  const server = await lab.startMitKpropd();
  for (const make of ['mit', 'ours'] as const) {
    expect(await runKprop(lab, make, { port: server.port, file })).toMatchObject(succeeded());
  }
  await server.stop();
});

test('an empty .dump_ok is a good one, of which ours has something to say', async () => {
  const file = copied('empty-ok');
  writeFileSync(`${file}.dump_ok`, '');
  const server = await lab.startMitKpropd();
  const { stdout } = succeeded();
  for (const [make, stderr] of [
    ['mit', /^$/],
    ['ours', /^warning: \S+\.dump_ok is empty, .*\nfix: .*\n$/],
  ] as const) {
    const outcome = await runKprop(lab, make, { port: server.port, file });
    expect(outcome).toMatchObject({ status: 0, stdout });
    expect(outcome.stderr).toMatch(stderr);
  }
  await server.stop();
});

test("a folder, of which MIT's kprop dies", async () => {
  const file = path('folder');
  mkdirSync(file);
  writeFileSync(`${file}.dump_ok`, '');
  const { ours, advice } = await oursFails(lab, () => lab.ourKprop({ port: kpropd.port, file }));
  expect(ours).toEqual([`kprop: Is a directory while trying to open ${file}`]);
  expect(advice).toMatch(/name a file with -f/);
});

test('a dump that another process has locked', async () => {
  const file = copied('locked');
  const script = `import fcntl, sys
f = open(sys.argv[1], 'r+b')
fcntl.lockf(f, int(sys.argv[2]))
print('locked', flush=True)
sys.stdin.read()`;
  const locked = async (kind: 1 | 2, meanwhile: () => Promise<void>) => {
    const holder = spawn('python3', ['-c', script, file, String(kind)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    await meanwhile();
    holder.stdin.end();
    await once(holder, 'exit');
  };
  await locked(2, async () => {
    const { advice } = await fails(file, 'database locked');
    expect(advice).toMatch(/locked is locked by python3, process \d+ fix: wait for/);
  });
  const server = await lab.startMitKpropd();
  await locked(1, async () => {
    const shared = await lab.ourKprop({ port: server.port, file });
    expect(shared).toMatchObject(succeeded());
  });
  expect(await lab.ourKprop({ port: server.port, file })).toMatchObject(succeeded());
  await server.stop();
});

describe.each(['ours', 'mit'] as const)('sent to kpropd (%s)', (make) => {
  const beforeReplica = 'Premature EOF found for database file!';

  test.each([
    ['shrinks', (file: string) => truncateSync(file, 40 * 32_768 + 7)],
    ['grows by a byte', (file: string) => appendFileSync(file, 'x')],
    ['grows by much', (file: string) => appendFileSync(file, Buffer.alloc(3_000_000))],
  ])('a dump that %s meanwhile', async (_, change) => {
    const file = copied('changing');
    const server = await startKpropd(lab, make);
    let served = 0;
    const throttled = async (run: (port: number) => Promise<Outcome>) => {
      makeSyntheticDump(file, Number.POSITIVE_INFINITY, {
        basedOn: readFileSync(lab.dumpFile, 'latin1'),
        exactBytes: 16_000_000,
      });
      const proxy = await startProxy(server.port, {
        from: 'client',
        afterBytes: 100_000,
        fate: 'hold',
      });
      const outcome = run(proxy.port);
      await proxy.struck;
      change(file);
      proxy.release();
      await outcome;
      // What kprop sent may still be on its way through the proxy.
      await vi.waitUntil(
        () => (server.stderr.match(/load process/g) ?? []).length > served,
        10_000,
      );
      served += 1;
      await proxy.close();
      return outcome;
    };

    const { ours, advice } = await oursFails(lab, () =>
      throttled((port) => lab.ourKprop({ port, file })),
    );
    expect(ours).toEqual([`kprop: ${beforeReplica}`]);
    expect(advice).toMatch(/rewrites the dump in place/);
    expect(server.stderr).toContain(beforeReplica);
    expect(server.stderr).not.toContain('calling kdb5_util');
    expect(readFileSync(`${file}.dump_ok`).length).toBe(1);

    if (make === 'ours') {
      // To a replica of MIT's, MIT's kprop may send all of a longer dump, which is then loaded.
      const mit = await throttled((port) => lab.mitKprop({ port, file }));
      expect(mit).toMatchObject({ status: 1, stderr: `kprop: ${beforeReplica}\n` });
    }
    await server.stop();
  });
});

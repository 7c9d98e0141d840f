import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { isKpropError } from '../../src/errors/kprop-error.ts';
import { comparable, ourProgram } from '../support/lab/lab.ts';
import { kdb5Util, ReplicaRig, type RigServer } from '../support/rig/replica-rig.ts';

// The disk that holds the database has room for some pages, and the load needs more, or not: at each
// size of that room in steps of 4 KiB, from none to enough.
// FULL_DISK=all npm run test:long -- test/interop/full-disk.test.ts takes every one of them.

const all = process.env.FULL_DISK === 'all';
const pageBytes = 4096;

let rig: ReplicaRig;
let disk: string;
let database: string;
let good: string;
let other: string;
beforeAll(async () => {
  rig = await ReplicaRig.open();
  disk = join(rig.lab.replica.folder, 'disk');
  database = join(disk, 'principal');
  mkdirSync(disk);
  await must('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
  good = comparable(readFileSync(rig.good, 'latin1'));
  other = comparable(readFileSync(rig.other, 'latin1'));
});
afterAll(async () => {
  await rig.lab.run('umount', [disk]);
  await rig.close();
});

describe.each(['complete', 'streamed', 'native'] as const)('a dump that is loaded %s', (load) => {
  let server: RigServer;
  /** What a load needs beside the database that is there. */
  let pagesNeeded: number;
  beforeAll(async () => {
    const environment = rig.lab.env('replica');
    const loader = { path: kdb5Util, database, environment };
    server = await rig.serve({ loader, load });
    await rig.send(server.port);
    const before = pagesFree();
    await rig.send(server.port, { dump: rig.good });
    const after = pagesFree();
    // A native load writes the whole new database, and the old one is still there, and perhaps the one before.
    pagesNeeded = load === 'native' ? 60 : after - before + 12;
  });

  test('onto a disk that is nearly full', { timeout: 600_000 }, async () => {
    const outcomes = new Map<string, number>();
    for (let pages = 0; pages <= pagesNeeded; pages += 1) {
      if (!all && !isTelling(pages)) continue;
      const where = `with room for ${pages} pages of ${pagesNeeded}`;
      await leave(pages);
      const outcome = await rig.send(server.port).then(
        () => 'loaded',
        (error: unknown) => (isKpropError(error, 'peer.refused') ? 'refused' : error),
      );
      await server.settled();
      rmSync(join(disk, 'ballast'));
      expect(await held(), where).toBe(outcome === 'loaded' ? other : good);
      expect(outcome, where).toMatch(/loaded|refused/);
      const error = server.errors.at(-1);
      const what = outcome === 'loaded' || !isKpropError(error) ? 'loaded' : error.code;
      outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
      await rig.send(server.port, { dump: rig.good });
      await server.settled();
      expect(await held(), where).toBe(good);
    }
    // The whole range was crossed, and the sizes at which kdb5_util says nothing were met.
    expect(outcomes.get('loaded')).toBeGreaterThan(0);
    if (load === 'native') expect(outcomes.get('loader.unwritten')).toBeGreaterThan(0);
    else {
      expect(outcomes.get('loader.failed')).toBeGreaterThan(0);
      expect(outcomes.get('loader.unsound')).toBeGreaterThan(0);
    }
    if (all) console.log(load, Object.fromEntries(outcomes));
  });

  /** Around the sizes at which kdb5_util reports success and has not written all. */
  const isTelling = (pages: number) =>
    (load === 'native' && pages % 6 === 0) ||
    pages === 0 ||
    pages === 17 ||
    (pages > pagesNeeded - 14 && pages < pagesNeeded - 6);
});

test('no space at all before the first load: the message says so', async () => {
  const environment = rig.lab.env('replica');
  const nowhere = join(disk, 'missing', 'principal');
  const loader = { path: kdb5Util, database: nowhere, environment };
  const server = await rig.serve({ loader });
  const refusal = await rig.failure(server.port);
  expect(refusal.message).toContain('No such file or directory while keeping the database');
  expect(server.errors).toMatchObject([{ code: 'loader.unprotected', phase: 'load' }]);
});

function pagesFree(): number {
  return statfsSync(disk).bfree;
}

/** Fills the disk but for so many pages. */
async function leave(pages: number): Promise<void> {
  const bytes = (pagesFree() - pages) * pageBytes;
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(bytes));
  expect(pagesFree()).toBe(pages);
}

async function held(): Promise<string> {
  const path = join(rig.lab.replica.folder, 'tmp', 'held');
  await must(kdb5Util, ['-d', database, 'dump', path]);
  return comparable(readFileSync(path, 'latin1'));
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await rig.lab.run(program, args, { role: 'replica' });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
}

test('a primary without room for the copy of its database', async () => {
  const { lab } = rig;
  const folder = join(lab.folder, 'primary-disk');
  mkdirSync(folder);
  const script = `
    mount -t tmpfs -o size=256k tmpfs "$1"
    cp -p ${lab.primary.folder}/principal* "$1"
    head -c 1000000 /dev/zero >"$1/ballast"
    KRB5_KDC_PROFILE="$1/../kdc.conf" exec ${process.execPath} ${ourProgram('kprop')} --from-database -f "$1/dump" 127.0.0.1`;
  const kdcConf = readFileSync(lab.primary.kdcConf, 'utf8');
  const moved = kdcConf.replaceAll(
    join(lab.primary.folder, 'principal'),
    join(folder, 'principal'),
  );
  writeFileSync(join(lab.folder, 'kdc.conf'), moved);
  const words = ['--mount', 'sh', '-c', script, 'sh', folder];
  const { status, stderr } = await lab.run('unshare', words);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^kprop: cannot write the dump .*: No space left on device$/m);
  expect(stderr).toMatch(/fix: make room for .*primary-disk/);
});

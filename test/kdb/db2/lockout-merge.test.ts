import { closeSync, copyFileSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { mergeLockout } from '../../../src/kdb/db2/lockout-merge.ts';
import { Db2Damage } from '../../../src/kdb/db2/page-window.ts';
import { IpropLab } from '../../support/lab/iprop-lab.ts';
import { makeSyntheticDump } from '../../support/lab/synthetic-dump.ts';
import { kdb5Util } from '../../support/rig/replica-rig.ts';
import { seededRandom } from '../../support/wire/seeded-random.ts';

const realmHeader = 'kdb5_util load_dump version 7';
const resyncHeader = 'ipropx 1 7 1795354645 705804';

let iprop: IpropLab;
let folder: string;
/** Databases: the one that is live, and what a resync dump holds. */
let live: string;
let fresh: string;
beforeAll(async () => {
  iprop = await IpropLab.create();
  folder = join(iprop.lab.replica.folder, 'merge');
  const dump = join(iprop.lab.primary.folder, 'large');
  const basedOn = readFileSync(await iprop.lab.dump(), 'latin1');
  const { bytes } = makeSyntheticDump(dump, 2_000, { basedOn });
  // What is to be padded goes into records of up to 60,000 bytes, which have pages of their own.
  makeSyntheticDump(dump, 2_000, { basedOn, exactBytes: bytes + 400_000 });
  const lines = readFileSync(dump, 'latin1').trimEnd().split('\n').slice(1);
  const random = seededRandom(12);
  const number = () => `${Math.floor(random() * 2 ** 32)}`;
  const withLockout = (line: string, values: () => string) => {
    const fields = line.split('\t');
    if (fields[0] !== 'princ') return line;
    // Names in these dumps hold no TAB.
    return [...fields.slice(0, 12), values(), values(), values(), ...fields.slice(15)].join('\t');
  };
  const without = (nth: number) => (line: string, index: number) =>
    line.includes('\tK/M@') || !line.startsWith('princ') || index % nth !== 3;
  live = await load(
    'live',
    realmHeader,
    lines
      .filter(without(7))
      .map((line) => withLockout(line, () => (random() < 0.6 ? number() : '0'))),
  );
  const resync = lines.filter(without(11)).map((line) => withLockout(line, () => '0'));
  fresh = await load('fresh', realmHeader, resync);
  copyFileSync(live, `${live}.kept`);
  await load('live', resyncHeader, resync);
});
afterAll(() => iprop.close());

test('a merge gives what kdb5_util load -i gives, record by record', async () => {
  const wanted = await dumpOf(live);
  expect(await dumpOf(fresh)).not.toBe(wanted);
  expect(merge(`${live}.kept`, fresh)).toBeGreaterThan(500);
  expect(await dumpOf(fresh)).toBe(wanted);
});

test('a second merge finds nothing left to do', () => {
  expect(merge(`${live}.kept`, fresh)).toBe(0);
});

test('a live database that is no btree, or is damaged, is told apart', () => {
  const bad = join(iprop.lab.replica.folder, 'bad');
  const whole = readFileSync(`${live}.kept`);
  const damaged = (change: (pages: Buffer) => void) => {
    const pages = Buffer.from(whole);
    change(pages);
    writeFileSync(bad, pages);
    return () => merge(bad, fresh);
  };
  expect(damaged((pages) => pages.writeUInt32BE(0x061561, 0))).toThrow(Db2Damage);
  expect(damaged((pages) => pages.writeUInt32LE(0, 4096))).toThrow('its page 1 is damaged');
  // Every leaf that names itself as its right neighbour would be a loop.
  const loop = (pages: Buffer) => {
    for (let at = 4096; at < pages.length; at += 4096) {
      if (pages.readUInt32LE(at + 12) === 2) pages.writeUInt32LE(at / 4096, at + 8);
    }
  };
  expect(damaged(loop)).toThrow(Db2Damage);
  for (const [offset, value] of [
    [16, 0xffff],
    [20, 0xffff],
    [18, 0],
  ] as const) {
    const change = (pages: Buffer) => {
      for (let at = 4096; at < pages.length; at += 4096) pages.writeUInt16LE(value, at + offset);
    };
    if (value !== 0) expect(damaged(change)).toThrow(Db2Damage);
  }
  writeFileSync(bad, whole.subarray(0, 4096 * 3));
  expect(() => merge(bad, fresh)).toThrow(Db2Damage);
  writeFileSync(bad, '');
  expect(() => merge(bad, fresh)).toThrow(Db2Damage);
});

function merge(from: string, into: string): number {
  const [old, file] = [openSync(from, 'r'), openSync(into, 'r+')];
  try {
    return mergeLockout(old, file);
  } finally {
    closeSync(old);
    closeSync(file);
  }
}

async function load(name: string, header: string, lines: readonly string[]): Promise<string> {
  const dump = `${folder}-${name}.dump`;
  writeFileSync(dump, `${[header, ...lines].join('\n')}\n`, 'latin1');
  const database = `${folder}-${name}`;
  const how = header.startsWith('iprop') ? ['-i'] : [];
  await must(['-d', database, 'load', ...how, dump]);
  return database;
}

async function dumpOf(database: string): Promise<string> {
  const path = `${folder}.dumped`;
  await must(['-d', database, 'dump', path]);
  return readFileSync(path, 'latin1');
}

async function must(args: readonly string[]): Promise<void> {
  const { status, stderr } = await iprop.lab.run(kdb5Util, args, { role: 'replica' });
  if (status !== 0) throw new Error(`kdb5_util ${args.join(' ')}: ${stderr}`);
}

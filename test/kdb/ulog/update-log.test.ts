import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { UpdateLog } from '../../../src/kdb/ulog/update-log.ts';
import { IpropLab } from '../../support/lab/iprop-lab.ts';
import { holdLock } from '../../support/lab/lock-holder.ts';
import { kdb5Util } from '../../support/rig/replica-rig.ts';

const slots = 1000;
const nowMicros = 1_795_400_000_123_456;
const point = { serial: 7, seconds: 1_795_354_645, micros: 705_804 };

let iprop: IpropLab;
/** The primary's log, with updates in it; the replica's, as kdb5_util load -i leaves it; ours. */
let before: string;
let theirs: string;
let ours: string;
beforeAll(async () => {
  iprop = await IpropLab.create();
  const { primary, replica } = iprop.lab;
  before = `${primary.database}.ulog`;
  theirs = `${replica.database}.ulog`;
  ours = join(replica.folder, 'ours.ulog');
  const dump = await iprop.lab.dump();
  const [, ...lines] = readFileSync(dump, 'latin1').split('\n');
  const resync = join(replica.folder, 'resync');
  const { serial, seconds, micros } = point;
  writeFileSync(resync, [`ipropx 1 ${serial} ${seconds} ${micros}`, ...lines].join('\n'), 'latin1');
  copyFileSync(before, theirs);
  const args = ['load', '-i', resync];
  const { status, stderr } = await iprop.lab.run(kdb5Util, args, { role: 'replica' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
afterAll(() => iprop.close());

test('the log that MIT keeps is read', async () => {
  const log = await UpdateLog.open(before, slots);
  const said = await iprop.lab.run('/usr/sbin/kproplog', ['-h']);
  const last = await log.last();
  expect(said.stdout).toContain(`Last serial # : ${last.serial}\n`);
  expect(last.serial).toBeGreaterThan(5);
  expect(Math.abs(last.seconds - Date.now() / 1000)).toBeLessThan(600);
  await log.close();
});

test('reset and set to a point, it is what kdb5_util load -i leaves', async () => {
  copyFileSync(before, ours);
  const log = await UpdateLog.open(ours, slots);
  await log.reset(nowMicros);
  expect(await log.last()).toEqual({ serial: 1, seconds: 1_795_400_000, micros: 123_456 });
  await log.startAt(point);
  expect(await log.last()).toEqual(point);
  await log.close();
  const [wanted, got] = [readFileSync(theirs), readFileSync(ours)];
  // The moment of the reset, in the slot of serial number 1.
  wanted.set(got.subarray(48, 56), 48);
  expect(got.equals(wanted)).toBe(true);
});

test('a log that is missing, or too short for MIT to map, is made', async () => {
  for (const there of [false, true]) {
    rmSync(ours, { force: true });
    if (there) writeFileSync(ours, 'x');
    const log = await UpdateLog.open(ours, slots);
    await log.reset(nowMicros);
    await log.close();
    const { size, mode } = statSync(ours);
    expect(size).toBe(40 + slots * 2048);
    if (!there) expect(mode & 0o777).toBe(0o600);
    copyFileSync(ours, theirs);
    expect(await iprop.updateLog('replica')).toContain('Last serial # : 1\n');
  }
});

test('a program that holds the lock is waited for, and not for ever', async () => {
  const holder = await holdLock(ours, 'OFD');
  const log = await UpdateLog.open(ours, slots);
  const signal = AbortSignal.timeout(60);
  await expect(log.startAt(point, signal)).rejects.toThrow('aborted due to timeout');
  await holder.end();
  await log.startAt(point);
  expect(await log.last()).toEqual(point);
  await log.close();
});

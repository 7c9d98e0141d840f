import { closeSync, copyFileSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import {
  masterEntryOfDatabase,
  masterEntryOfDump,
} from '../../../src/kdb/master-key/find-entry.ts';
import { opensMasterKey } from '../../../src/kdb/master-key/opening.ts';
import { readStash } from '../../../src/kdb/master-key/stash.ts';
import { parseKeytab } from '../../../src/protocol/krb5/formats/keytab.ts';
import { Lab } from '../../support/lab/lab.ts';

// Whether a stash opens the master key of a database is for krb5kdc to say: it starts, or it does not.

const kdb5Util = '/usr/sbin/kdb5_util';
const masterKey = 'K/M@LAB.EXAMPLE';

let lab: Lab;
const place = (name: string) => join(lab.primary.folder, name);
const util = async (args: readonly string[], input?: string) => {
  const { status, stderr } = await lab.run(kdb5Util, args, {
    ...(input !== undefined && { input }),
  });
  if (status !== 0) throw new Error(`kdb5_util ${args.join(' ')}: ${stderr}`);
};

beforeAll(async () => {
  lab = await Lab.create();
  await lab.stopKdc('primary');
});
afterAll(() => lab.close());

function removeDatabase(role: 'primary' | 'replica'): void {
  for (const part of ['', '.ok', '.kadm5', '.kadm5.lock']) {
    rmSync(`${lab.site(role).database}${part}`, { force: true });
  }
}

/** Whether krb5kdc starts with a stash and the database that it gets from a dump. */
async function kdcStarts(stash: string | undefined, dump: string): Promise<boolean> {
  const { replica } = lab;
  rmSync(replica.stash, { force: true });
  if (stash !== undefined) copyFileSync(stash, replica.stash);
  removeDatabase('replica');
  await lab.load(dump);
  const kdc = lab.start('/usr/sbin/krb5kdc', ['-n'], { role: 'replica' });
  const outcome = await Promise.race([
    kdc
      .until(() => kdc.stderr.includes('starting...'), 'krb5kdc')
      .then(
        () => true,
        () => false,
      ),
    kdc.ended.then(() => false),
  ]);
  await kdc.stop();
  return outcome;
}

/** What we say of the same, by the dump; and by the database that krb5kdc had. */
async function opens(stash: string, dump: string) {
  const read = readStash(stash, masterKey);
  if (read.is !== 'key') return read.is;
  const fd = openSync(lab.replica.database, 'r');
  const inDatabase = masterEntryOfDatabase(fd, masterKey);
  closeSync(fd);
  const found = await masterEntryOfDump(dump, masterKey);
  expect(inDatabase).toEqual(found);
  if (found.is !== 'found') return found.is;
  return opensMasterKey(read.stashed, found.entry);
}

/** A stash file as krb5 wrote it before release 1.7 (kdb_default.c): enctype, length, key. */
function oldStash(path: string, enctype: number, key: Uint8Array): string {
  const head = Buffer.alloc(6);
  const little = endianness() === 'LE';
  if (little) head.writeUInt16LE(enctype);
  else head.writeUInt16BE(enctype);
  if (little) head.writeUInt32LE(key.length, 2);
  else head.writeUInt32BE(key.length, 2);
  writeFileSync(path, Buffer.concat([head, key]));
  return path;
}

describe.each([
  'aes128-cts-hmac-sha1-96',
  'aes256-cts-hmac-sha1-96',
  'aes128-cts-hmac-sha256-128',
  'aes256-cts-hmac-sha384-192',
  'camellia128-cts-cmac',
  'camellia256-cts-cmac',
  'arcfour-hmac',
  'des3-cbc-sha1',
])('%s', (enctype) => {
  test('its own stash opens it, in both formats, and another does not', async () => {
    const own = place(`stash-${enctype}`);
    const dump = place(`dump-${enctype}`);
    removeDatabase('primary');
    await util(['-k', enctype, '-sf', own, 'create', '-s', '-P', 'one']);
    await util(['-sf', own, 'dump', dump]);
    const [entry] = parseKeytab(readFileSync(own), own);
    if (entry === undefined) throw new Error('the stash is empty');
    const old = oldStash(place(`old-${enctype}`), entry.enctype, entry.key);
    const wrong = oldStash(
      place(`wrong-${enctype}`),
      entry.enctype,
      entry.key.map((b) => b ^ 0x54),
    );
    const answers = [];
    for (const stash of [own, old, wrong]) {
      answers.push([await kdcStarts(stash, dump), await opens(stash, dump)]);
    }
    expect(answers).toEqual([
      [true, true],
      [true, true],
      [false, false],
    ]);
  });
});

test('a change of the master key, step by step, with the stash from before and from after', async () => {
  const before = place('stash');
  removeDatabase('primary');
  rmSync(before);
  await util(['create', '-s', '-P', 'one']);
  const older = place('stash-before');
  copyFileSync(before, older);
  await util(['dump', place('one')]);
  await util(['add_mkey', '-s', '-e', 'camellia256-cts-cmac'], 'two\ntwo\n');
  const newer = place('stash-after');
  copyFileSync(before, newer);
  await util(['dump', place('added')]);
  await util(['use_mkey', '2', 'now-1second']);
  await util(['update_princ_encryption', '-f']);
  await util(['dump', place('used')]);
  await util(['purge_mkeys', '-f']);
  await util(['dump', place('purged')]);
  const [first, second] = [readFileSync(older), readFileSync(newer)];
  const both = place('both');
  // kdb5_util replaces the file; ktutil would add to it, in either order.
  writeFileSync(both, Buffer.concat([first, second.subarray(2)]));
  const turned = place('both-turned');
  writeFileSync(turned, Buffer.concat([second, first.subarray(2)]));
  const keys = [older, newer].flatMap((path) => parseKeytab(readFileSync(path), path));
  const old = keys.map(({ kvno, enctype, key }) => oldStash(place(`old-${kvno}`), enctype, key));
  const answers: string[] = [];
  for (const dump of ['one', 'added', 'used', 'purged']) {
    for (const stash of [older, newer, both, turned, ...old]) {
      const starts = await kdcStarts(stash, place(dump));
      expect(await opens(stash, place(dump)), `${stash}, ${dump}`).toBe(starts);
      answers.push(`${dump} ${stash.replace(/.*\//, '')} ${starts}`);
    }
  }
  expect(answers).toEqual([
    'one stash-before true',
    'one stash-after false',
    'one both false',
    'one both-turned false',
    'one old-1 true',
    'one old-2 false',
    'added stash-before true',
    'added stash-after true',
    'added both true',
    'added both-turned true',
    'added old-1 true',
    'added old-2 true',
    'used stash-before true',
    'used stash-after true',
    'used both true',
    'used both-turned true',
    'used old-1 true',
    'used old-2 true',
    'purged stash-before false',
    'purged stash-after true',
    'purged both true',
    'purged both-turned true',
    'purged old-1 false',
    'purged old-2 true',
  ]);
});

describe('a stash of which nothing can be said', () => {
  const bytesOf = (name: string): Buffer => readFileSync(place(name));
  test.each<[string, () => string | Buffer | undefined, string]>([
    ['absent', () => undefined, 'absent'],
    ['empty', () => '', 'unusable'],
    ['a text', () => 'no stash at all\n', 'unusable'],
    ['a keytab without entries', () => bytesOf('stash-before').subarray(0, 2), 'unusable'],
    ['a keytab cut in its entry', () => bytesOf('stash-before').subarray(0, -9), 'unusable'],
    ['a keytab of another principal', () => bytesOf('krb5.keytab'), 'unusable'],
    ['an old one, cut', () => bytesOf('old-1').subarray(0, -1), 'unusable'],
    [
      'an old one with a key of another length',
      () => Buffer.from('120001000000aa', 'hex'),
      'unusable',
    ],
  ])('%s: krb5kdc does not start', async (_, bytes, verdict) => {
    const stash = place('odd-stash');
    rmSync(stash, { force: true });
    const content = bytes();
    if (content !== undefined) writeFileSync(stash, content);
    expect(await kdcStarts(content === undefined ? undefined : stash, place('one'))).toBe(false);
    expect(await opens(stash, place('one'))).toBe(verdict);
  });
});

test('a dump without the entry, and one in which other names come close', async () => {
  const text = readFileSync(place('one'), 'latin1');
  const without = text.replace(/^.*\tK\/M@.*\n/m, '');
  writeFileSync(place('without'), without);
  expect(await masterEntryOfDump(place('without'), masterKey)).toEqual({ is: 'missing' });
  const line = /^.*\tK\/M@.*$/m.exec(text)?.[0] ?? '';
  const near = line.replaceAll('K/M@', 'K/MM@').replace('\t15\t', '\t16\t');
  // Behind so much, and across the end of what is read at a time.
  for (const bytes of [0, 262_000, 262_100, 262_144, 300_000]) {
    const padding = `princ\t38\t1\t0\t0\t0\tx\t${'0'.repeat(bytes)}\tK/M@LAB.EXAMPLE\t\n`;
    writeFileSync(place('near'), `${padding}${near}\n${line}\n`);
    expect(await masterEntryOfDump(place('near'), masterKey)).toMatchObject({ is: 'found' });
  }
  writeFileSync(place('near'), `${line.replace('\t38\t', '\t39\t')}\n`);
  expect(await masterEntryOfDump(place('near'), masterKey)).toEqual({ is: 'unreadable' });
});

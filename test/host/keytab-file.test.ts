import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readCcache } from '../../src/host/ccache-file.ts';
import { keytabReader, readKeytab } from '../../src/host/keytab-file.ts';
import type { KeytabFields } from '../../src/protocol/krb5/formats/keytab.ts';
import { Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { formatKeytab } from '../support/wire/format-keytab.ts';

const klist = '/usr/bin/klist';
const ktutil = '/usr/bin/ktutil';
let dir: string;
let path: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keytab-'));
  path = join(dir, 'keytab');
});
afterAll(() => rmSync(dir, { recursive: true }));

const entry = (
  principal: Principal,
  kvno: number,
  enctype: number,
  keyBytes: number,
): KeytabFields => ({
  principal,
  kvno,
  enctype,
  timestampSeconds: 1_795_358_974,
  key: Uint8Array.from({ length: keyBytes }, (_, index) => (index * 7 + enctype) & 0xff),
});
const host = Principal.parse('host/a.example@R.EXAMPLE');
const entries = [
  entry(host, 1, 18, 32),
  entry(host, 300, 17, 16),
  entry(host, 2, 20, 32),
  entry(host, 2, 19, 16),
  entry(host, 2, 16, 24),
  entry(host, 2, 23, 16),
  entry(host, 2, 25, 16),
  entry(host, 2, 26, 32),
  entry(Principal.parse('odd\\/name/b\\@c@R'), 9, 18, 32),
];

/** As klist -k -K shows them. */
const shown = (one: KeytabFields) =>
  `${one.kvno} ${one.principal} (0x${Buffer.from(one.key).toString('hex')})`;
function listedByMit(file: string): readonly string[] {
  const { stdout } = spawnSync(klist, ['-k', '-K', `FILE:${file}`], { encoding: 'utf8' });
  const lines = stdout.split('\n').slice(3, -1);
  return lines.map((line) => line.trim().replace(/ +/g, ' '));
}

describe('klist lists what we write', () => {
  test.each([1, 2] as const)('as version %i', (version) => {
    writeFileSync(path, formatKeytab(entries, version));
    expect(listedByMit(path)).toEqual(entries.map(shown));
    expect(readKeytab(path).entries.map(shown)).toEqual(entries.map(shown));
  });
});

describe('we read what ktutil writes', () => {
  test.each([1, 2])('as version %i', (version) => {
    const file = join(dir, `by-ktutil-${version}`);
    // ktutil goes on in the version that it finds.
    writeFileSync(file, Uint8Array.of(5, version));
    const commands = [
      ['aes256-cts', 1],
      ['aes128-sha2', 300],
      ['camellia256-cts', 2],
    ].flatMap(([enctype, kvno]) => [
      `addent -password -p host/a.example@R.EXAMPLE -k ${kvno} -e ${enctype}`,
      'secret',
    ]);
    const input = [...commands, `wkt ${file}`, 'q', ''].join('\n');
    spawnSync(ktutil, { input, encoding: 'utf8' });
    const keytab = readKeytab(`FILE:${file}`);
    expect(keytab.entries.map(({ enctype, kvno }) => [enctype, kvno])).toEqual([
      [18, 1],
      [19, 300],
      [26, 2],
    ]);
    expect(keytab.entries.map(shown)).toEqual(listedByMit(file));
    expect(keytab.find(host, 300, 19).key).toHaveLength(16);
    for (const { timestampSeconds } of keytab.entries) {
      expect(Math.abs(timestampSeconds - Date.now() / 1000)).toBeLessThan(60);
    }
  });
});

describe('readKeytab', () => {
  test('names itself as errors call it', () => {
    writeFileSync(path, formatKeytab([]));
    expect(readKeytab(path).name).toBe(`FILE:${path}`);
    expect(readKeytab(`WRFILE:${path}`).name).toBe(`FILE:${path}`);
    expect(readKeytab('MEMORY:x')).toMatchObject({ name: 'MEMORY:x', entries: [] });
  });

  test.each([
    ['none', 'ENOENT', 'No such file or directory'],
    ['', 'EISDIR', 'Is a directory'],
    ['keytab/x', 'ENOTDIR', 'Not a directory'],
  ])('%j: %s', (name, errno, comErrText) => {
    writeFileSync(path, '');
    const file = join(dir, name);
    expect(() => readKeytab(file)).toThrow(
      expect.objectContaining({
        code: 'keytab.missing',
        detail: { path: file, errno },
        comErrText,
      }),
    );
  });

  test('refuses a file of gigabytes before it reads it', () => {
    const huge = join(dir, 'huge');
    writeFileSync(huge, '');
    truncateSync(huge, 2 ** 32);
    expect(() => readKeytab(huge)).toThrow(
      expect.objectContaining({ detail: { path: huge, errno: 'EFBIG' } }),
    );
  });

  test('reads a device only up to the limit', () => {
    expect(() => readKeytab('/dev/zero')).toThrow(
      expect.objectContaining({ code: 'keytab.missing' }),
    );
  });

  test.each([
    ['waits for a writer', 0.1, 30, 1_000],
    ['is read without its lock if that is held for long', 2, 190, 1_000],
  ])('%s', async (_what, seconds, atLeast, atMost) => {
    writeFileSync(path, formatKeytab(entries));
    const program = [
      'import fcntl, sys, time',
      "f = open(sys.argv[1], 'r+b')",
      'fcntl.lockf(f, fcntl.LOCK_EX)',
      "print('held', flush=True)",
      `time.sleep(${seconds})`,
    ].join('\n');
    const writer = spawn('python3', ['-c', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(writer, 'exit');
    await once(writer.stdout, 'data');
    const start = performance.now();
    expect(readKeytab(path).entries).toHaveLength(entries.length);
    const waited = performance.now() - start;
    expect(waited).toBeGreaterThan(atLeast);
    expect(waited).toBeLessThan(atMost);
    writer.kill();
    await ended;
  });
});

describe('readCcache', () => {
  test('reads a file', () => {
    const head = [5, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x52, 0, 0, 0, 1, 0x61];
    writeFileSync(path, Uint8Array.from(head));
    const { principal, credentials } = readCcache(`FILE:${path}`);
    expect(`${principal} ${credentials.length}`).toBe('a@R 0');
  });

  test.each(['/no/such/cache', 'MEMORY:x'])('%s does not exist', (name) => {
    expect(() => readCcache(name)).toThrow(
      expect.objectContaining({
        code: 'ccache.missing',
        comErrText: 'No credentials cache found',
        detail: { path: name, errno: 'ENOENT' },
      }),
    );
  });

  test('refuses what is not a cache', () => {
    writeFileSync(path, formatKeytab(entries));
    expect(() => readCcache(path)).toThrow(expect.objectContaining({ code: 'ccache.format' }));
  });
});

test('a keytab that is asked for again and again is read when it has changed, not before', async () => {
  const file = join(dir, 'asked-for');
  writeFileSync(file, formatKeytab(entries.slice(0, 1)));
  const read = keytabReader(() => `FILE:${file}`);
  expect(read().entries).toHaveLength(1);
  // Of the same size, within the same tick of the clock: the file is too young to be trusted.
  writeFileSync(file, formatKeytab([entry(host, 9, 18, 32)]));
  expect(read().entries[0]).toMatchObject({ kvno: 9 });
  // Nothing but time makes it older: ctime cannot be set.
  await setTimeout(2_200);
  const known = read();
  expect(read()).toBe(known);
  writeFileSync(file, formatKeytab([entry(host, 8, 18, 32)]));
  expect(read().entries[0]).toMatchObject({ kvno: 8 });
  writeFileSync(`${file}.new`, formatKeytab(entries));
  renameSync(`${file}.new`, file);
  expect(read().entries).toHaveLength(entries.length);
  rmSync(file);
  expect(read).toThrow(expect.objectContaining({ code: 'keytab.missing' }));
});

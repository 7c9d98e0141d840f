import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { openDumpFile } from '../../src/client/dump-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'kprop-dump-'));
afterAll(() => rmSync(folder, { recursive: true }));

function made(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  writeFileSync(`${path}.dump_ok`, '\0');
  return path;
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  // Their memory is used again.
  for await (const piece of pieces) copies.push(Uint8Array.from(piece));
  return Buffer.concat(copies);
}

test.each([0, 1, 32_768, 1 << 20, (1 << 20) + 1, 3_500_000])('a dump of %s bytes', async (size) => {
  const contents = Buffer.alloc(size, 'dump of a database\n');
  const dump = await openDumpFile(made(`of-${size}`, contents));
  expect(dump.bytes).toBe(size);
  expect((await bytesOf(dump.pieces())).equals(contents)).toBe(true);
  await dump.close();
});

test('is read from its start by each reader, also at the same time', async () => {
  const contents = Buffer.alloc(2_500_000, 'abcdefg');
  const dump = await openDumpFile(made('many-readers', contents));
  const [one, two] = await Promise.all([bytesOf(dump.pieces()), bytesOf(dump.pieces())]);
  expect(one.equals(contents) && two.equals(contents)).toBe(true);
  await dump.close();
});

test('stays the same while kdb5_util puts a new one in its place', async () => {
  const path = made('replaced', 'old');
  const dump = await openDumpFile(path);
  rmSync(path);
  writeFileSync(path, 'a newer and longer one');
  expect((await bytesOf(dump.pieces())).toString()).toBe('old');
  await dump.close();
  expect(readFileSync(path, 'utf8')).toBe('a newer and longer one');
});

test('is locked against writers while it is open, and no longer', async () => {
  const path = made('locked', 'x');
  const tryLock = `import fcntl, sys
try:
  fcntl.lockf(open(sys.argv[1], 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError: sys.exit(3)`;
  const writerGets = async () => {
    const [status] = await once(spawn('python3', ['-c', tryLock, path]), 'exit');
    return status === 0;
  };
  const dump = await openDumpFile(path);
  // Readers share it: a fan-out to many replicas, or MIT's kprop beside ours.
  const other = await openDumpFile(path);
  await other.close();
  expect(await writerGets()).toBe(false);
  await dump.close();
  expect(await writerGets()).toBe(true);
});

test('that is locked by a writer', async () => {
  const path = made('held', 'x');
  const hold = `import fcntl, sys
f = open(sys.argv[1], 'r+b')
fcntl.lockf(f, fcntl.LOCK_EX)
print('locked', flush=True)
sys.stdin.read()`;
  const writer = spawn('python3', ['-c', hold, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(writer.stdout, 'data');
  await expect(openDumpFile(path)).rejects.toMatchObject({
    code: 'dump.locked',
    doing: 'database locked',
    retry: true,
  });
  writer.stdin.end();
  await once(writer, 'exit');
  await (await openDumpFile(path)).close();
});

test('whose .dump_ok is older, in whole seconds', async () => {
  const path = made('not-ready', 'x');
  const at = async (dumpTime: number, okTime: number) => {
    utimesSync(path, dumpTime, dumpTime);
    utimesSync(`${path}.dump_ok`, okTime, okTime);
    const dump = await openDumpFile(path);
    await dump.close();
  };
  await at(1_800_000_000.9, 1_800_000_000.1);
  await at(1_800_000_000, 1_800_000_005);
  await expect(at(1_800_000_001, 1_800_000_000.999)).rejects.toMatchObject({
    code: 'dump.not-ready',
    detail: { path, okPath: `${path}.dump_ok` },
  });
});

test('that is missing, whose .dump_ok is missing, and that is a folder', async () => {
  await expect(openDumpFile(join(folder, 'none'))).rejects.toMatchObject({
    code: 'dump.missing',
    doing: `while trying to open ${join(folder, 'none')}`,
  });
  const path = made('without-ok', 'x');
  rmSync(`${path}.dump_ok`);
  await expect(openDumpFile(path)).rejects.toMatchObject({
    code: 'dump.missing',
    detail: { path: `${path}.dump_ok`, errno: 'ENOENT' },
  });
  mkdirSync(join(folder, 'folder'));
  writeFileSync(join(folder, 'folder.dump_ok'), '');
  await expect(openDumpFile(join(folder, 'folder'))).rejects.toMatchObject({
    code: 'dump.read',
    detail: { errno: 'EISDIR' },
  });
});

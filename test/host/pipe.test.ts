import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, readSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';

import { expect, test } from 'vitest';

import { atomicWriteBytes, openPipe } from '../../src/host/pipe.ts';

test('what is written comes out; a write into a full pipe fails as a whole', () => {
  const { readEnd, writeEnd, roomBytes } = openPipe(1 << 20);
  expect(roomBytes).toBeGreaterThanOrEqual(1 << 16);
  // Not a whole number of pages: what is left at the end of one is not filled with half a write.
  const piece = Buffer.alloc(atomicWriteBytes - 100, 'x');
  let written = 0;
  expect(() => {
    for (;;) {
      expect(writeSync(writeEnd, piece)).toBe(piece.length);
      written += piece.length;
    }
  }).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
  let read = 0;
  const buffer = Buffer.alloc(1 << 16);
  while (read < written) read += readSync(readEnd, buffer);
  expect(read).toBe(written);
  closeSync(writeEnd);
  expect(readSync(readEnd, buffer)).toBe(0);
  closeSync(readEnd);
});

test('a child can open it as /dev/stdin, and inherits neither end otherwise', async () => {
  const { readEnd, writeEnd } = openPipe(1 << 16);
  const { stdout } = spawnSync('ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' });
  for (const end of [readEnd, writeEnd]) expect(stdout).not.toMatch(RegExp(` ${end} -> pipe:`));
  const child = spawn('cat', ['/dev/stdin'], { stdio: [readEnd, 'pipe', 'inherit'] });
  closeSync(readEnd);
  writeSync(writeEnd, 'through');
  expect(`${(await once(child.stdout as Readable, 'data'))[0]}`).toBe('through');
  closeSync(writeEnd);
  expect((await once(child, 'exit'))[0]).toBe(0);
});

test('without a reader, writing fails and does not kill the process', () => {
  const { readEnd, writeEnd } = openPipe(1 << 16);
  closeSync(readEnd);
  expect(() => writeSync(writeEnd, 'x')).toThrow(expect.objectContaining({ code: 'EPIPE' }));
  closeSync(writeEnd);
});

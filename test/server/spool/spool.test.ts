import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { ReceivedDump } from '../../../src/protocol/kprop/dump.ts';
import { SpoolRoom } from '../../../src/server/spool/spool.ts';
import { packageRoot } from '../../support/lab/lab.ts';
import { holdLock } from '../../support/lab/lock-holder.ts';

let folder: string;
let path: string;
let temporary: string;
let mask: number;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spool-'));
  path = join(folder, 'from_master');
  temporary = `${path}.temp`;
  mask = process.umask(0);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.umask(mask);
  rmSync(folder, { recursive: true });
});

const dumpOf = (...blocks: readonly (string | Error)[]): ReceivedDump => ({
  bytes: blocks.reduce((sum, block) => sum + (block instanceof Error ? 0 : block.length), 0),
  async *batches() {
    for (const block of blocks) {
      if (block instanceof Error) throw block;
      yield [Buffer.from(block, 'latin1')];
    }
  },
});
const modeOf = (file: string) => (statSync(file).mode & 0o7777).toString(8);
const files = () => readdirSync(folder).sort();

/** Files of the test's folder that this process holds open though they are gone. */
function deletedAndOpen(): readonly string[] {
  const targetOf = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  };
  const targets = readdirSync('/proc/self/fd').map(targetOf);
  return targets.filter((target) => target.startsWith(folder) && target.endsWith(' (deleted)'));
}

/** The prototype of all FileHandles, to make the disk fail. */
async function fileHandles(): Promise<FileHandle> {
  const file = await openFile('/dev/null');
  await file.close();
  return Object.getPrototypeOf(file) as FileHandle;
}

describe('a dump that arrives', () => {
  test.each([0, 1, 32_768, (1 << 20) - 1, 1 << 20, 5_000_000])(
    'of %i bytes is published whole',
    async (bytes) => {
      const text = Array.from({ length: bytes }, (_, i) => String.fromCharCode(i % 251)).join('');
      const blocks = text.match(/.{1,32768}/gs) ?? [];
      const spool = await new SpoolRoom(path).open();
      expect([spool.path, spool.temporary]).toEqual([path, temporary]);
      await spool.fill(dumpOf(...blocks));
      expect(existsSync(path)).toBe(false);
      await spool.publish();
      await spool.close();
      expect(readFileSync(path, 'latin1') === text).toBe(true);
      expect(files()).toEqual(['from_master']);
    },
  );

  test('is for its owner alone, whatever the umask, and whatever lay there before', async () => {
    writeFileSync(temporary, 'left by a kpropd that died', { mode: 0o666 });
    chmodSync(temporary, 0o666);
    writeFileSync(path, 'old', { mode: 0o644 });
    const spool = await new SpoolRoom(path).open();
    expect(modeOf(temporary)).toBe('600');
    expect(readFileSync(temporary, 'utf8')).toBe('');
    await spool.fill(dumpOf('new'));
    expect(readFileSync(path, 'utf8')).toBe('old');
    await spool.publish();
    await spool.close();
    expect([readFileSync(path, 'utf8'), modeOf(path)]).toEqual(['new', '600']);
  });

  test('is on the disk before it is published', async () => {
    const handles = await fileHandles();
    const log: string[] = [];
    const { sync, writev } = handles;
    vi.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
      log.push(existsSync(path) ? 'sync of the folder' : 'sync');
      await sync.call(this);
    });
    vi.spyOn(handles, 'writev').mockImplementation(async function (this: FileHandle, ...args) {
      log.push('write');
      return writev.apply(this, args);
    } as typeof writev);
    const spool = await new SpoolRoom(path).open();
    await spool.fill(dumpOf('dump'));
    await spool.publish();
    await spool.close();
    expect(log).toEqual(['write', 'sync', 'sync of the folder']);
  });

  test('is complete also where the disk takes a few bytes at a time', async () => {
    const handles = await fileHandles();
    const { writev } = handles;
    vi.spyOn(handles, 'writev').mockImplementation(async function (
      this: FileHandle,
      buffers: readonly Uint8Array[],
      position?: number | null,
    ) {
      const first = buffers.find((buffer) => buffer.length > 0) ?? new Uint8Array(0);
      const { bytesWritten } = await writev.call(this, [first.subarray(0, 3)], position ?? 0);
      return { bytesWritten, buffers };
    } as typeof handles.writev);
    const spool = await new SpoolRoom(path).open();
    await spool.fill(dumpOf('abcdefgh', 'ij', '', 'klmnopqrstu'));
    await spool.publish();
    await spool.close();
    expect(readFileSync(path, 'utf8')).toBe('abcdefghijklmnopqrstu');
  });
});

test('the file that was replaced is not held open for long', async () => {
  writeFileSync(path, 'old');
  const spool = await new SpoolRoom(path).open();
  await spool.fill(dumpOf('new'));
  await spool.publish();
  await vi.waitFor(() => expect(deletedAndOpen()).toEqual([]));
  await spool.close();
  expect(readFileSync(path, 'utf8')).toBe('new');
});

describe('a failure leaves the last dump as it was', () => {
  const state = () => {
    const { mode, ino, mtimeMs, size } = statSync(path);
    return { mode, ino, mtimeMs, size, text: readFileSync(path, 'utf8') };
  };

  test.each([
    'a block that cannot be had',
    'a write that fails',
    'a sync that fails',
    'nothing but giving up',
  ])('%s', async (what) => {
    writeFileSync(path, 'the last good one');
    chmodSync(path, 0o640);
    const held = state();
    const spool = await new SpoolRoom(path).open();
    const handles = await fileHandles();
    const noRoom = Object.assign(new Error('no room'), { code: 'ENOSPC' });
    if (what.includes('write')) vi.spyOn(handles, 'writev').mockRejectedValue(noRoom);
    if (what.includes('sync')) vi.spyOn(handles, 'sync').mockRejectedValue(noRoom);
    if (what.includes('block')) {
      await expect(spool.fill(dumpOf('half', new Error('cut')))).rejects.toThrow('cut');
    } else if (what.includes('fails')) {
      await expect(spool.fill(dumpOf('whole'))).rejects.toMatchObject({
        code: 'spool.write',
        phase: 'blocks',
        detail: { path: temporary, errno: 'ENOSPC' },
        doing: expect.stringMatching(/^while writing database block starting at offset \d+$/),
      });
    } else {
      await spool.fill(dumpOf('whole'));
    }
    await spool.close();
    expect(state()).toEqual(held);
    expect(files()).toEqual(['from_master']);
  });

  test('an early write that fails ends the reception soon, not at its end', async () => {
    const handles = await fileHandles();
    const noRoom = Object.assign(new Error('no room'), { code: 'ENOSPC' });
    vi.spyOn(handles, 'writev').mockRejectedValue(noRoom);
    let blocks = 0;
    const endless: ReceivedDump = {
      bytes: Number.MAX_SAFE_INTEGER,
      async *batches() {
        for (;;) {
          blocks += 1;
          yield [new Uint8Array(32_768)];
        }
      },
    };
    const spool = await new SpoolRoom(path).open();
    await expect(spool.fill(endless)).rejects.toMatchObject({ code: 'spool.write' });
    expect(blocks).toBeLessThan(100);
    await spool.close();
    expect(files()).toEqual([]);
  });
});

describe('locks', () => {
  test.each(['OFD', 'POSIX'] as const)(
    'of another process (%s) keep us out, and its file as it is',
    async (how) => {
      writeFileSync(temporary, 'his');
      const holder = await holdLock(temporary, how);
      const room = new SpoolRoom(path);
      await expect(room.open()).rejects.toMatchObject({
        code: 'spool.busy',
        phase: 'spool',
        retry: true,
        detail: { path: temporary },
      });
      expect(readFileSync(temporary, 'utf8')).toBe('his');
      await holder.end();
      const spool = await room.open();
      expect(spool.temporary).toBe(temporary);
      await spool.close();
    },
  );

  test('ours keep another process out until it is published, and then from writing', async () => {
    const spool = await new SpoolRoom(path).open();
    await expect(holdLock(temporary, 'OFD', { shared: true })).rejects.toThrow('could not lock');
    await spool.fill(dumpOf('dump'));
    await spool.publish();
    await expect(holdLock(path, 'OFD')).rejects.toThrow('could not lock');
    await (await holdLock(path, 'OFD', { shared: true })).end();
    await spool.close();
    await (await holdLock(path, 'OFD')).end();
  });

  test('a second kpropd of ours is another process', async () => {
    const spool = await new SpoolRoom(path).open();
    const program = `
      import { SpoolRoom } from ${JSON.stringify(join(packageRoot, 'dist/server/spool/spool.js'))};
      await new SpoolRoom(${JSON.stringify(path)}).open().catch((e) => console.log(e.code));`;
    const args = ['--input-type=module', '-e', program];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toBe('spool.busy\n');
    await spool.close();
  });

  test('connections of one kpropd have a file each, and give its name back', async () => {
    const room = new SpoolRoom(path);
    const three = [await room.open(), await room.open(), await room.open()];
    const names = [temporary, `${temporary}.2`, `${temporary}.3`];
    expect(three.map((spool) => spool.temporary)).toEqual(names);
    await Promise.all(three.map((spool, i) => spool.fill(dumpOf(`dump ${i}`))));
    await three[1]?.publish();
    await three[1]?.close();
    expect(readFileSync(path, 'utf8')).toBe('dump 1');
    const fourth = await room.open();
    expect(fourth.temporary).toBe(`${temporary}.2`);
    await three[0]?.publish();
    expect(readFileSync(path, 'utf8')).toBe('dump 0');
    for (const spool of [...three, fourth]) await spool.close();
    expect(files()).toEqual(['from_master']);
  });

  test('a name is free again when it could not be opened', async () => {
    symlinkSync('/nowhere', temporary);
    const room = new SpoolRoom(path);
    await expect(room.open()).rejects.toMatchObject({ code: 'spool.write' });
    unlinkSync(temporary);
    const spool = await room.open();
    expect(spool.temporary).toBe(temporary);
    await spool.close();
  });
});

describe('what somebody else put there', () => {
  test('a file with another name elsewhere is not written to', async () => {
    const elsewhere = join(folder, 'elsewhere');
    writeFileSync(elsewhere, 'precious');
    linkSync(elsewhere, temporary);
    await expect(new SpoolRoom(path).open()).rejects.toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'has other names (hard links)' },
    });
    expect(readFileSync(elsewhere, 'utf8')).toBe('precious');
  });

  test('nor is a file of another user, who could read it later', async () => {
    writeFileSync(temporary, '');
    chownSync(temporary, 12_345, 12_345);
    await expect(new SpoolRoom(path).open()).rejects.toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'belongs to another user' },
    });
    expect(statSync(temporary).uid).toBe(12_345);
  });

  test('nor is what is no file', async () => {
    spawnSync('mkfifo', [temporary]);
    const error = await new SpoolRoom(path).open().catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'is no regular file' },
    });
  });

  test('a folder to which others may write is told of', async () => {
    chmodSync(folder, 0o700);
    expect(await new SpoolRoom(path).complaint()).toBeUndefined();
    chmodSync(folder, 0o1777);
    expect(await new SpoolRoom(path).complaint()).toBe(
      `others may write to the folder ${folder}, where received dumps are put (mode 1777): chmod go-w ${folder}`,
    );
  });
});

describe('a file that is no longer the one that was opened', () => {
  /** Does something between our open and our look at what was opened. */
  async function meanwhile(act: () => void): Promise<void> {
    const handles = await fileHandles();
    const { stat } = handles;
    vi.spyOn(handles, 'stat').mockImplementationOnce(async function (this: FileHandle) {
      act();
      return stat.call(this);
    } as typeof stat);
  }

  test.each(['renamed into place', 'removed', 'replaced'])(
    '%s by its holder: it is let go unharmed',
    async (what) => {
      writeFileSync(temporary, 'the dump of another kpropd');
      await meanwhile(() => {
        if (what === 'removed') unlinkSync(temporary);
        else renameSync(temporary, path);
        if (what === 'replaced') writeFileSync(temporary, 'by a third');
      });
      const spool = await new SpoolRoom(path).open();
      if (what !== 'removed') {
        expect(readFileSync(path, 'utf8')).toBe('the dump of another kpropd');
      }
      await spool.fill(dumpOf('ours'));
      expect(readFileSync(temporary, 'utf8')).toBe('ours');
      await spool.publish();
      await spool.close();
      expect(readFileSync(path, 'utf8')).toBe('ours');
      expect(files()).toEqual(['from_master']);
    },
  );
});

import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';

import { describe, expect, test, vi } from 'vitest';

import type { ReceivedDump } from '../../../src/protocol/kprop/dump.ts';
import { SpoolRoom } from '../../../src/server/spool/spool.ts';
import { dumpOf, SpoolFolder } from '../../support/rig/spool-folder.ts';

const spools = SpoolFolder.forEachTest();
const modeOf = (file: string) => (statSync(file).mode & 0o7777).toString(8);

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
  return targets.filter(
    (target) => target.startsWith(spools.folder) && target.endsWith(' (deleted)'),
  );
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
      const spool = await new SpoolRoom(spools.path).open();
      expect([spool.path, spool.temporary]).toEqual([spools.path, spools.temporary]);
      await spool.fill(dumpOf(...blocks));
      expect(existsSync(spools.path)).toBe(false);
      await spool.publish();
      await spool.close();
      expect(readFileSync(spools.path, 'latin1') === text).toBe(true);
      expect(spools.files()).toEqual(['from_master']);
    },
  );

  test('is for its owner alone, whatever the umask, and whatever lay there before', async () => {
    writeFileSync(spools.temporary, 'left by a kpropd that died', { mode: 0o666 });
    chmodSync(spools.temporary, 0o666);
    writeFileSync(spools.path, 'old', { mode: 0o644 });
    const spool = await new SpoolRoom(spools.path).open();
    expect(modeOf(spools.temporary)).toBe('600');
    expect(readFileSync(spools.temporary, 'utf8')).toBe('');
    await spool.fill(dumpOf('new'));
    expect(readFileSync(spools.path, 'utf8')).toBe('old');
    await spool.publish();
    await spool.close();
    expect([readFileSync(spools.path, 'utf8'), modeOf(spools.path)]).toEqual(['new', '600']);
  });

  test('is on the disk before it is published', async () => {
    const handles = await fileHandles();
    const log: string[] = [];
    const { sync, writev } = handles;
    vi.spyOn(handles, 'sync').mockImplementation(async function (this: FileHandle) {
      log.push(existsSync(spools.path) ? 'sync of the folder' : 'sync');
      await sync.call(this);
    });
    vi.spyOn(handles, 'writev').mockImplementation(async function (this: FileHandle, ...args) {
      log.push('write');
      return writev.apply(this, args);
    } as typeof writev);
    const spool = await new SpoolRoom(spools.path).open();
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
    const spool = await new SpoolRoom(spools.path).open();
    await spool.fill(dumpOf('abcdefgh', 'ij', '', 'klmnopqrstu'));
    await spool.publish();
    await spool.close();
    expect(readFileSync(spools.path, 'utf8')).toBe('abcdefghijklmnopqrstu');
  });
});

test('the file that was replaced is not held open for long', async () => {
  writeFileSync(spools.path, 'old');
  const spool = await new SpoolRoom(spools.path).open();
  await spool.fill(dumpOf('new'));
  await spool.publish();
  await vi.waitFor(() => expect(deletedAndOpen()).toEqual([]));
  await spool.close();
  expect(readFileSync(spools.path, 'utf8')).toBe('new');
});

describe('a failure leaves the last dump as it was', () => {
  const state = () => {
    const { mode, ino, mtimeMs, size } = statSync(spools.path);
    return { mode, ino, mtimeMs, size, text: readFileSync(spools.path, 'utf8') };
  };

  test.each([
    'a block that cannot be had',
    'a write that fails',
    'a sync that fails',
    'nothing but giving up',
  ])('%s', async (what) => {
    writeFileSync(spools.path, 'the last good one');
    chmodSync(spools.path, 0o640);
    const held = state();
    const spool = await new SpoolRoom(spools.path).open();
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
        detail: { path: spools.temporary, errno: 'ENOSPC' },
        doing: expect.stringMatching(/^while writing database block starting at offset \d+$/),
      });
    } else {
      await spool.fill(dumpOf('whole'));
    }
    await spool.close();
    expect(state()).toEqual(held);
    expect(spools.files()).toEqual(['from_master']);
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
    const spool = await new SpoolRoom(spools.path).open();
    await expect(spool.fill(endless)).rejects.toMatchObject({ code: 'spool.write' });
    expect(blocks).toBeLessThan(100);
    await spool.close();
    expect(spools.files()).toEqual([]);
  });
});

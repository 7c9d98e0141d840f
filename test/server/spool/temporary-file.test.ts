import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, test, vi } from 'vitest';

import { SpoolRoom } from '../../../src/server/spool/spool.ts';
import { packageRoot } from '../../support/lab/lab.ts';
import { holdLock } from '../../support/lab/lock-holder.ts';
import { dumpOf, SpoolFolder } from '../../support/rig/spool-folder.ts';

const spools = SpoolFolder.forEachTest();

/** The prototype of all FileHandles, to make the disk fail. */
async function fileHandles(): Promise<FileHandle> {
  const file = await openFile('/dev/null');
  await file.close();
  return Object.getPrototypeOf(file) as FileHandle;
}

describe('locks', () => {
  test.each(['OFD', 'POSIX'] as const)(
    'of another process (%s) keep us out, and its file as it is',
    async (how) => {
      writeFileSync(spools.temporary, 'his');
      const holder = await holdLock(spools.temporary, how);
      const room = new SpoolRoom(spools.path);
      await expect(room.open()).rejects.toMatchObject({
        code: 'spool.busy',
        phase: 'spool',
        retry: true,
        detail: { path: spools.temporary },
      });
      expect(readFileSync(spools.temporary, 'utf8')).toBe('his');
      await holder.end();
      const spool = await room.open();
      expect(spool.temporary).toBe(spools.temporary);
      await spool.close();
    },
  );

  test('ours keep another process out until it is published, and then from writing', async () => {
    const spool = await new SpoolRoom(spools.path).open();
    await expect(holdLock(spools.temporary, 'OFD', { shared: true })).rejects.toThrow(
      'could not lock',
    );
    await spool.fill(dumpOf('dump'));
    await spool.publish();
    await expect(holdLock(spools.path, 'OFD')).rejects.toThrow('could not lock');
    await (await holdLock(spools.path, 'OFD', { shared: true })).end();
    await spool.close();
    await (await holdLock(spools.path, 'OFD')).end();
  });

  test('a second kpropd of ours is another process', async () => {
    const spool = await new SpoolRoom(spools.path).open();
    const program = `
      import { SpoolRoom } from ${JSON.stringify(join(packageRoot, 'dist/server/spool/spool.js'))};
      await new SpoolRoom(${JSON.stringify(spools.path)}).open().catch((e) => console.log(e.code));`;
    const args = ['--input-type=module', '-e', program];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stdout).toBe('spool.busy\n');
    await spool.close();
  });

  test('connections of one kpropd have a file each, and give its name back', async () => {
    const room = new SpoolRoom(spools.path);
    const three = [await room.open(), await room.open(), await room.open()];
    const names = [spools.temporary, `${spools.temporary}.2`, `${spools.temporary}.3`];
    expect(three.map((spool) => spool.temporary)).toEqual(names);
    await Promise.all(three.map((spool, i) => spool.fill(dumpOf(`dump ${i}`))));
    await three[1]?.publish();
    await three[1]?.close();
    expect(readFileSync(spools.path, 'utf8')).toBe('dump 1');
    const fourth = await room.open();
    expect(fourth.temporary).toBe(`${spools.temporary}.2`);
    await three[0]?.publish();
    expect(readFileSync(spools.path, 'utf8')).toBe('dump 0');
    for (const spool of [...three, fourth]) await spool.close();
    expect(spools.files()).toEqual(['from_master']);
  });

  test('a name is free again when it could not be opened', async () => {
    symlinkSync('/nowhere', spools.temporary);
    const room = new SpoolRoom(spools.path);
    await expect(room.open()).rejects.toMatchObject({ code: 'spool.write' });
    unlinkSync(spools.temporary);
    const spool = await room.open();
    expect(spool.temporary).toBe(spools.temporary);
    await spool.close();
  });
});

describe('a file that somebody else put there', () => {
  test('a file with another name elsewhere is not written to', async () => {
    const elsewhere = join(spools.folder, 'elsewhere');
    writeFileSync(elsewhere, 'precious');
    linkSync(elsewhere, spools.temporary);
    await expect(new SpoolRoom(spools.path).open()).rejects.toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'has other names (hard links)' },
    });
    expect(readFileSync(elsewhere, 'utf8')).toBe('precious');
  });

  test('a file of another user, who could read it later, is refused', async () => {
    writeFileSync(spools.temporary, '');
    chownSync(spools.temporary, 12_345, 12_345);
    await expect(new SpoolRoom(spools.path).open()).rejects.toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'belongs to another user' },
    });
    expect(statSync(spools.temporary).uid).toBe(12_345);
  });

  test('what is not a regular file is refused', async () => {
    spawnSync('mkfifo', [spools.temporary]);
    const error = await new SpoolRoom(spools.path).open().catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'spool.planted',
      detail: { reason: 'is no regular file' },
    });
  });

  test('a folder to which others may write is reported', async () => {
    chmodSync(spools.folder, 0o700);
    expect(await new SpoolRoom(spools.path).complaint()).toBeUndefined();
    chmodSync(spools.folder, 0o1777);
    expect(await new SpoolRoom(spools.path).complaint()).toBe(
      `others may write to the folder ${spools.folder}, where received dumps are put (mode 1777): chmod go-w ${spools.folder}`,
    );
  });
});

describe('a file that was replaced between open and lock', () => {
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
      writeFileSync(spools.temporary, 'the dump of another kpropd');
      await meanwhile(() => {
        if (what === 'removed') unlinkSync(spools.temporary);
        else renameSync(spools.temporary, spools.path);
        if (what === 'replaced') writeFileSync(spools.temporary, 'by a third');
      });
      const spool = await new SpoolRoom(spools.path).open();
      if (what !== 'removed') {
        expect(readFileSync(spools.path, 'utf8')).toBe('the dump of another kpropd');
      }
      await spool.fill(dumpOf('ours'));
      expect(readFileSync(spools.temporary, 'utf8')).toBe('ours');
      await spool.publish();
      await spool.close();
      expect(readFileSync(spools.path, 'utf8')).toBe('ours');
      expect(spools.files()).toEqual(['from_master']);
    },
  );
});

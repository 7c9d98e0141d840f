import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test, vi } from 'vitest';

import { lockFile } from '../../../src/host/libc.ts';
import { SpoolRoom } from '../../../src/server/spool/spool.ts';

vi.mock('../../../src/host/libc.ts', { spy: true });

const folder = mkdtempSync(join(tmpdir(), 'spool-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a lock that cannot be shared after the rename is not called a failure to rename', async () => {
  const path = join(folder, 'from_master');
  const spool = await new SpoolRoom(path).open();
  vi.mocked(lockFile).mockImplementationOnce(() => {
    throw Object.assign(new Error('no locks'), { code: 'ENOLCK' });
  });
  await expect(spool.publish()).rejects.toMatchObject({
    code: 'spool.write',
    detail: { path, errno: 'ENOLCK' },
    doing: `while downgrading lock on '${path}'`,
  });
  await spool.close();
  expect(existsSync(path)).toBe(true);
});

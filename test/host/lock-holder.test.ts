import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { holderText, lockHolder } from '../../src/host/lock-holder.ts';

test.each([
  ['of a process', 'fcntl.lockf(f, fcntl.LOCK_EX)'],
  [
    'of an open file, as krb5 takes it',
    "fcntl.fcntl(f, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))",
  ],
])('a lock %s leads to its holder', async (_, lock) => {
  const folder = mkdtempSync(join(tmpdir(), 'lock-holder-'));
  const path = join(folder, 'file');
  writeFileSync(path, '');
  expect(lockHolder(path)).toBeUndefined();
  const script = `import fcntl, struct, time
f = open('${path}', 'r+b')
${lock}
print('locked', flush=True)
time.sleep(60)`;
  const holder = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  expect(lockHolder(path)).toMatchObject({ pid: holder.pid });
  expect(holderText(path)).toMatch(new RegExp(`^python\\S*, process ${holder.pid}$`));
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(lockHolder(path)).toBeUndefined();
  expect(lockHolder(join(folder, 'none'))).toBeUndefined();
  rmSync(folder, { recursive: true });
});

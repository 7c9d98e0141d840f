import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab, ourProgram } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';
import type { Make } from '../../support/lab/make.ts';
import { expectReplicaHas, runKprop, succeeded } from '../../support/lab/pairings.ts';
import { startSuperServer } from '../../support/lab/super-server.ts';

/** There on every Debian, and owner of nothing. */
const user = 'daemon';

let lab: Lab;
let userId: number;
beforeAll(async () => {
  lab = await Lab.create({ principals: 5 });
  await lab.dump();
  userId = Number((await lab.run('id', ['-u', user])).stdout);
  chmodSync(lab.folder, 0o711);
  await lab.run('chown', ['-R', user, lab.replica.folder]);
});
afterAll(() => lab.close());

const paths = (o: { file?: string; acl?: string } = {}) => {
  const { acl, fromMaster } = lab.replica;
  return ['-a', o.acl ?? acl, '-f', o.file ?? fromMaster];
};
const makes: readonly Make[] = ['mit', 'ours'];

describe('kpropd --user in the set-up that is made for it', () => {
  test('serves as that user, with the pid file where root alone may write', async () => {
    const port = await freePort();
    const pidFile = join(lab.folder, 'root.pid');
    const args = [ourProgram('kpropd'), '-D', '-P', `${port}`, ...paths(), '--user', user];
    const kpropd = lab.start(process.execPath, [...args, '--pid-file', pidFile], {
      role: 'replica',
    });
    await kpropd.until(() => kpropd.stdout.includes('ready\n'), 'kpropd');
    expect(readFileSync(pidFile, 'utf8')).toBe(`${kpropd.pid}\n`);
    const status = readFileSync(`/proc/${kpropd.pid}/status`, 'latin1');
    expect(status).toMatch(new RegExp(`^Uid:(\\t${userId}){4}$`, 'm'));
    // Its own groups, and nothing of root's.
    expect(status).not.toMatch(/^Groups:.*\b0\b/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    for (const make of makes) {
      expect(await runKprop(lab, make, { port, env: {} })).toMatchObject(succeeded());
    }
    expect(statSync(lab.replica.database).uid).toBe(userId);
    expect(statSync(lab.replica.fromMaster).uid).toBe(userId);
    await expectReplicaHas(lab);
    await kpropd.stop();
  });

  test('serves a connection of inetd as that user', async () => {
    const args = [...paths(), '--user', user];
    const server = await startSuperServer(lab, 'inetd', { program: ourProgram('kpropd'), args });
    expect(await lab.mitKprop({ port: server.port })).toMatchObject(succeeded());
    expect(statSync(lab.replica.database).uid).toBe(userId);
    await server.stop();
  });
});

describe('kpropd --user elsewhere ends at once and says why', () => {
  test.each([
    ['no such user', ['--user', 'no-such-user'], () => paths(), 'there is no such user'],
    [
      'a dump in a folder of root',
      ['--user', user],
      () => paths({ file: join(lab.primary.folder, 'from_master') }),
      /it cannot write \S+\/primary: Permission denied/,
    ],
    [
      'an ACL that is not there',
      ['--user', user],
      () => paths({ acl: join(lab.replica.folder, 'no.acl') }),
      /it cannot read \S+\/no\.acl: No such file or directory/,
    ],
  ])('%s', async (_what, option, where, reason) => {
    const port = await freePort();
    const args = [ourProgram('kpropd'), '-D', '-P', `${port}`, ...where(), ...option];
    const { status, stderr } = await lab.run(process.execPath, args, { role: 'replica' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^kpropd: Operation not permitted/);
    expect(stderr).toMatch(/^cause: cannot run as the user /m);
    expect(stderr).toMatch(reason);
    expect(listens(port)).toBe(false);
  });
});

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { comparable, Lab } from '../support/lab/lab.ts';
import { startKpropd } from '../support/lab/pairings.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 3 });
  await lab.load(await lab.dump());
});
afterAll(() => lab.close());

test.each(['mit', 'ours'] as const)(
  'kprop --from-database: one command instead of two, to kpropd (%s)',
  async (make) => {
    await lab.addPrincipals([`new-${make}`]);
    rmSync(lab.dumpFile, { force: true });
    const kpropd = await startKpropd(lab, make);
    const sent = await lab.ourKprop({ port: kpropd.port, args: ['--from-database'] });
    await kpropd.stop();
    expect(sent).toMatchObject({
      status: 0,
      stdout: 'Database propagation to 127.0.0.1: SUCCEEDED\n',
      stderr: '',
    });
    const text = await lab.replicaDump();
    expect(text).toContain(`new-${make}@`);
    expect(comparable(readFileSync(lab.dumpFile, 'latin1'))).toBe(comparable(text));
  },
);

test('another database is dumped by kdb5_util, which says what it thinks of it', async () => {
  const kdcConf = join(lab.folder, 'lmdb.conf');
  writeFileSync(kdcConf, `[dbmodules]\n  ${lab.realm} = {\n    db_library = klmdb\n  }\n`);
  const sent = await lab.ourKprop({
    port: 1,
    args: ['--from-database'],
    env: { KRB5_KDC_PROFILE: kdcConf },
  });
  expect(sent.status).toBe(1);
  const lines = sent.stderr.split('\n');
  expect(lines[0]).toBe("note: the realm's database library is klmdb, so kdb5_util dumps it");
  expect(sent.stderr).toMatch(/^kdb5_util: .*(klmdb|database).*$/m);
  expect(sent.stderr).toContain('kprop: /usr/sbin/kdb5_util dump returned a bad exit status (1)\n');
});

test('a database that is not there is told', async () => {
  const kdcConf = join(lab.folder, 'nowhere.conf');
  const path = join(lab.folder, 'nowhere');
  writeFileSync(kdcConf, `[realms]\n  ${lab.realm} = {\n    database_name = ${path}\n  }\n`);
  const env = { KRB5_KDC_PROFILE: kdcConf };
  const sent = await lab.ourKprop({ port: 1, args: ['--from-database'], env });
  expect(sent.status).toBe(1);
  expect(sent.stderr).toContain(
    `kprop: cannot read the database ${path}: No such file or directory\nfix: `,
  );
});

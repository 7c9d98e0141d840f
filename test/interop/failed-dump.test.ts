import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { propagate } from '../../src/client/propagate.ts';
import { loadKrb5Config } from '../../src/host/config-files.ts';
import { Lab } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import { makeSyntheticDump } from '../support/lab/synthetic-dump.ts';

let lab: Lab;
let kpropd: Kpropd;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.dump();
  kpropd = await lab.startOurKpropd();
});
afterAll(() => lab.close());

test('a kdb5_util dump that died leaves the old dump and an empty .dump_ok: kprop sends, and warns', async () => {
  const big = join(lab.primary.folder, 'big');
  makeSyntheticDump(big, 20_000, { basedOn: readFileSync(lab.dumpFile, 'latin1') });
  await lab.load(big, 'primary');
  // Its limit on file sizes stands for a disk that is full.
  const died = await lab.run('/bin/sh', ['-c', `ulimit -f 100; kdb5_util dump ${lab.dumpFile}`]);
  expect(died.status).not.toBe(0);
  expect(statSync(`${lab.dumpFile}.dump_ok`).size).toBe(0);

  const sent = await lab.ourKprop({ port: kpropd.port });
  expect(sent).toMatchObject({
    status: 0,
    stdout: 'Database propagation to 127.0.0.1: SUCCEEDED\n',
  });
  expect(sent.stderr).toMatch(
    /^warning: \S+\.dump_ok is empty, as a kdb5_util dump that failed leaves it: [^\n]*\nfix: run `kdb5_util dump \S+`[^\n]*\n$/,
  );

  const env = lab.env('primary');
  const warnings: string[] = [];
  await propagate({
    host: '127.0.0.1',
    port: kpropd.port,
    dump: lab.dumpFile,
    config: loadKrb5Config({ krb5ConfFiles: env.KRB5_CONFIG ?? '' }),
    credential: { kind: 'keytab', name: env.KRB5_KTNAME },
    onEvent: (event) => event.kind === 'warning' && warnings.push(event.text),
  });
  expect(warnings).toHaveLength(1);
});

test('while a dump is being made there is no warning: the one before it is complete', async () => {
  const file = join(lab.primary.folder, 'in-the-making');
  copyFileSync(lab.dumpFile, file);
  writeFileSync(`${file}.dump_ok`, '');
  const script = `import fcntl, sys
f = open(sys.argv[1], 'r+b')
fcntl.lockf(f, fcntl.LOCK_EX)
print('locked', flush=True)
import time; time.sleep(60)`;
  const dumping = lab.start('/usr/bin/python3', ['-c', script, `${file}.dump_ok`], { input: '' });
  await dumping.until(() => dumping.stdout.includes('locked'), 'the lock');
  expect(await lab.ourKprop({ port: kpropd.port, file })).toMatchObject({ status: 0, stderr: '' });
  await dumping.stop('SIGKILL');
});

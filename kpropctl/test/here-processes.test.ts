import { readFileSync, writeFileSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab, ourProgram } from '../../test/support/lab/lab.ts';
import { freePort } from '../../test/support/lab/lab-process.ts';
import type { Diagnosis } from '../src/doctor/finding.ts';
import { program } from './realm.ts';

// doctor --here, and the daemons that run on its host.

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create({ principals: 2 });
  await lab.load(await lab.dump());
  const { krb5Conf } = lab.replica;
  const ports = `kadmind_port = ${await freePort()}\n    kpasswd_port = ${await freePort()}\n`;
  const own = `[realms]\n  LAB.EXAMPLE = {\n    ${ports}  }\n`;
  writeFileSync(krb5Conf, `${own}${readFileSync(krb5Conf, 'utf8')}`);
});
afterAll(() => lab.close());

const findingsIn = (text: string) => (JSON.parse(text) as Diagnosis).findings;

test.each(['ours', 'mit'] as const)('the options of the kpropd that runs (%s)', async (make) => {
  const port = await freePort();
  const { acl, fromMaster } = lab.replica;
  const args = ['-D', '-P', `${port}`, '-a', acl, '-f', fromMaster];
  const kpropd =
    make === 'mit'
      ? ['/usr/sbin/kpropd']
      : [process.execPath, ourProgram('kpropd'), '--timeout=60'];
  // In a namespace of its own no other kpropd is seen.
  const script = `
    "$@" >/dev/null 2>&1 & daemon=$!
    until grep -qi ":$(printf %04x ${port}) .* 0A " /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
    ${process.execPath} ${program} doctor --here --json
    kill $daemon`;
  const words = ['--pid', '--fork', '--mount-proc', 'sh', '-c', script, 'sh', ...kpropd, ...args];
  const { stdout } = await lab.run('unshare', words, { role: 'replica' });
  const findings = findingsIn(stdout);
  const options = findings.find(({ check }) => check === 'options');
  expect(options?.what).toContain(args.join(' '));
  expect(findings.filter(({ check }) => check === 'port')).toMatchObject([{ state: 'ok' }]);
});

test('a kadmind that takes changes on a replica', async () => {
  writeFileSync(`${lab.replica.folder}/kadm5.acl`, '');
  const kadmind = lab.start('/usr/sbin/kadmind', ['-nofork'], { role: 'replica' });
  await kadmind.until(() => /starting/.test(kadmind.stderr), 'kadmind');
  const doctor = () =>
    lab.run(process.execPath, [program, 'doctor', '--here', '--json'], { role: 'replica' });
  const found = findingsIn((await doctor()).stdout).find(({ check }) => check === 'kadmind');
  expect(found).toMatchObject({
    state: 'failure',
    what: expect.stringContaining(`kadmind (pid ${kadmind.pid}) runs on this replica`),
  });
  await kadmind.stop();
  const after = findingsIn((await doctor()).stdout);
  expect(after.filter(({ check }) => check === 'kadmind')).toEqual([]);
});

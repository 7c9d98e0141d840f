import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { Lab, ourProgram } from '../../support/lab/lab.ts';
import { freePort, listens } from '../../support/lab/lab-process.ts';
import { stranger } from '../../support/rig/attacker.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.dump();
});
afterAll(() => lab.close());

async function started(args: readonly string[]) {
  const port = await freePort();
  const { acl, fromMaster } = lab.replica;
  const paths = ['-P', `${port}`, '-a', acl, '-f', fromMaster];
  const all = [ourProgram('kpropd'), ...paths, ...args];
  const kpropd = lab.start(process.execPath, all, { role: 'replica' });
  await kpropd.until(() => listens(port), 'kpropd');
  return { kpropd, port };
}

const objectsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('json: an object a line on stdout, and nothing else, whoever sends', async () => {
  const { kpropd, port } = await started(['-D', '--log=json', '--load=native']);
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 0 });
  expect(await lab.ourKprop({ port })).toMatchObject({ status: 0 });
  await stranger(port, 'GET / HTTP/1.0\r\n\r\n');
  writeFileSync(lab.replica.acl, 'host/another@LAB.EXAMPLE\n');
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 1 });
  writeFileSync(lab.replica.acl, `${lab.client}\n`);
  const { stdout, stderr } = await kpropd.stop();
  expect(stderr).toBe('');
  const lines = objectsOf(stdout);
  for (const line of lines) {
    expect(line).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/),
      level: expect.stringMatching(/^(error|warning|notice|info)$/),
      event: expect.any(String),
      message: expect.any(String),
    });
  }
  const of = (event: string) => lines.filter((line) => line.event === event);
  expect(of('ready')).toHaveLength(1);
  expect(of('connected')).toHaveLength(4);
  expect(of('loaded')).toMatchObject([
    {
      level: 'info',
      client: lab.client,
      connection: 1,
      bytes: expect.any(Number),
      records: { principals: expect.any(Number), policies: 0 },
      millis: { authenticate: expect.any(Number), receive: expect.any(Number) },
    },
    { connection: 2 },
  ]);
  expect(of('failed')).toMatchObject([
    { level: 'error', connection: 3, error: { phase: 'authenticate', code: expect.any(String) } },
  ]);
  expect(of('denied')).toMatchObject([{ level: 'warning', client: lab.client, connection: 4 }]);
  expect(stdout).not.toMatch(/(cause|fix):/);
});

test('json with -d, and what the loader prints', async () => {
  const loader = lab.loaderStub('echo "words of the loader"; echo "more {" >&2');
  const { kpropd, port } = await started(['-d', '--log=json', '-p', loader]);
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 0 });
  const { stdout, stderr } = await kpropd.stop();
  expect(stderr).toBe('');
  const lines = objectsOf(stdout);
  const texts = lines.map(({ level, event, message }) => `${level} ${event} ${message}`);
  expect(texts).toContain('info loader-output words of the loader');
  expect(texts).toContain('info loader-output more {');
  expect(texts).toContain('debug receiving Full propagation transfer started.');
  // Nothing is said twice of one thing.
  expect(texts.filter((text) => /Connection from/.test(text))).toHaveLength(1);
});

test('stderr: the lines of the system log, with time and level', async () => {
  const { kpropd, port } = await started(['-D', '--log=stderr']);
  expect(await lab.mitKprop({ port })).toMatchObject({ status: 0 });
  const { stdout, stderr } = await kpropd.stop();
  expect(stdout).toBe('ready\n');
  const lines = stderr.trimEnd().split('\n');
  for (const line of lines) {
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z (error|warning|notice|info): ./);
  }
  expect(stderr).toMatch(/ info: Connection from .*\n/);
  expect(stderr).toMatch(/ info: loaded .* principals from host\/.*\n/);
});

test.each([
  ['--log=json', /^kpropd: --log=json needs -D \(or -d\): a daemon has no output\n$/],
  ['--log=stderr', /^kpropd: --log=stderr needs -D/],
  ['--log=file', /^kpropd: --log takes one of stderr, syslog, json, not 'file'\n\nUsage: /],
])('%s without -D', async (option, said) => {
  const args = [ourProgram('kpropd'), '-P', `${await freePort()}`, option];
  const ended = await lab.run(process.execPath, args, { role: 'replica' });
  expect(ended).toMatchObject({ status: 1, stderr: expect.stringMatching(said) });
});

test('why it does not start is in the log and, once, on stderr', async () => {
  const conf = join(lab.replica.folder, 'broken.conf');
  writeFileSync(conf, '[libdefaults\n');
  for (const kind of ['json', 'stderr']) {
    const args = [ourProgram('kpropd'), '-D', `--log=${kind}`];
    const env = { KRB5_CONFIG: conf };
    const ended = await lab.run(process.execPath, args, { role: 'replica', env });
    expect(ended.status).toBe(1);
    if (kind === 'json') {
      expect(objectsOf(ended.stdout)).toMatchObject([{ event: 'failed', level: 'error' }]);
    }
    expect(ended.stderr.match(/Improper format/g), kind).toHaveLength(1);
  }
});

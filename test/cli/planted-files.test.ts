import {
  chmodSync,
  linkSync,
  lstatSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { ExposureWatch, exposureNotice } from '../../src/host/exposed-files.ts';
import { writeOwnFile } from '../../src/host/own-file.ts';
import { Lab, ourProgram } from '../support/lab/lab.ts';
import { freePort } from '../support/lab/lab-process.ts';
import { succeeded } from '../support/lab/pairings.ts';

let lab: Lab;
let victim: string;
beforeAll(async () => {
  lab = await Lab.create();
  await lab.dump();
  victim = join(lab.folder, 'victim');
});
beforeEach(() => writeFileSync(victim, 'precious\n'));
afterAll(() => lab.close());

const plants = [
  [
    'symbolic link',
    (path: string) => symlinkSync(victim, path),
    'Too many levels of symbolic links',
  ],
  ['hard link', (path: string) => linkSync(victim, path), 'Operation not permitted'],
] as const;

const kpropdArgs = async (pidFile: string) => {
  const { acl, fromMaster } = lab.replica;
  const port = `${await freePort()}`;
  return [
    ourProgram('kpropd'),
    '-D',
    '-P',
    port,
    '-a',
    acl,
    '-f',
    fromMaster,
    '--pid-file',
    pidFile,
  ];
};

describe.each(plants)('a %s', (_kind, plant, reason) => {
  test('in the place of the pid file: refused', async () => {
    const pidFile = join(lab.folder, 'planted.pid');
    plant(pidFile);
    const ended = await lab.run(process.execPath, await kpropdArgs(pidFile), { role: 'replica' });
    expect(ended).toMatchObject({
      status: 1,
      stderr: `kpropd: Could not write pid file ${pidFile}: ${reason}\n`,
    });
    expect(readFileSync(victim, 'utf8')).toBe('precious\n');
    rmSync(pidFile);
  });

  test('in the place of .last_prop: told, and not followed', async () => {
    const kpropd = await lab.startOurKpropd();
    const record = `${lab.dumpFile}.127.0.0.1.last_prop`;
    rmSync(record, { force: true });
    plant(record);
    const { port } = kpropd;
    expect(await lab.ourKprop({ port })).toMatchObject({
      ...succeeded(),
      stderr: `kprop: ${reason} while creating 'last_prop' file, '${record}'\n`,
    });
    expect(readFileSync(victim, 'utf8')).toBe('precious\n');
    rmSync(record);
    expect(await lab.ourKprop({ port })).toMatchObject(succeeded());
    expect(lstatSync(record).mode & 0o777).toBe(0o600);
    await kpropd.stop();
  });
});

test('what is left of an earlier run is written anew; another user’s, and a fifo, are not', async () => {
  const path = join(lab.folder, 'stale');
  writeFileSync(path, '123456789\n');
  writeOwnFile(path, '7\n', 0o644);
  expect(readFileSync(path, 'utf8')).toBe('7\n');
  await lab.run('chown', ['daemon', path]);
  expect(() => writeOwnFile(path, '8\n', 0o644)).toThrow(
    expect.objectContaining({ code: 'EPERM' }),
  );
  expect(readFileSync(path, 'utf8')).toBe('7\n');
  const fifo = join(lab.folder, 'fifo');
  await lab.run('mkfifo', [fifo]);
  expect(() => writeOwnFile(fifo, '9\n', 0o644)).toThrow(
    expect.objectContaining({ code: 'ENXIO' }),
  );
  expect(() => writeOwnFile('/dev/null', '9\n', 0o644)).not.toThrow();
});

describe('a file that others may change, or read where it is secret', () => {
  test.each([
    ['keytab', 0o600, undefined],
    ['keytab', 0o640, undefined],
    ['keytab', 0o644, 'read'],
    ['keytab', 0o620, 'changed'],
    ['ACL', 0o644, undefined],
    ['ACL', 0o664, 'changed'],
    ['ACL', 0o646, 'changed'],
  ] as const)('%s of mode %o: %s', (kind, mode, harm) => {
    const path = join(lab.folder, 'watched');
    writeFileSync(path, '');
    chmodSync(path, mode);
    const exposure = exposureNotice({ kind, path });
    if (harm === undefined) expect(exposure).toBeUndefined();
    else
      expect(exposure?.text).toContain(`the ${kind} ${path} can be ${harm} by other users (mode 0`);
  });

  test('is reported once, and again when it has changed', () => {
    const path = join(lab.folder, 'changing');
    const watch = new ExposureWatch([{ kind: 'keytab', path }]);
    expect(watch.warnings()).toEqual([]);
    writeFileSync(path, '');
    chmodSync(path, 0o604);
    expect(watch.warnings()).toHaveLength(1);
    expect(watch.warnings()).toEqual([]);
    chmodSync(path, 0o600);
    expect(watch.warnings()).toEqual([]);
    chmodSync(path, 0o604);
    expect(watch.warnings()).toHaveLength(1);
  });

  test('kpropd -d and kprop say so, and propagate', async () => {
    chmodSync(lab.replica.keytab, 0o644);
    chmodSync(lab.primary.keytab, 0o644);
    const kpropd = await lab.startOurKpropd();
    const words = (path: string) =>
      `warning: the keytab ${path} can be read by other users (mode 0644)\nfix: run \`chmod 600 ${path}\`\n`;
    expect(await lab.ourKprop({ port: kpropd.port })).toMatchObject({
      ...succeeded(),
      stderr: words(lab.primary.keytab),
    });
    expect(await lab.ourKprop({ port: kpropd.port })).toMatchObject({ status: 0 });
    expect(kpropd.stderr.split(words(lab.replica.keytab))).toHaveLength(2);
    await kpropd.stop();
    for (const { keytab } of [lab.primary, lab.replica]) chmodSync(keytab, 0o600);
  });
});

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab, ourProgram, packageRoot } from '../support/lab/lab.ts';
import type { Kpropd } from '../support/lab/lab-options.ts';
import type { Outcome } from '../support/lab/lab-process.ts';
import type { Make } from '../support/lab/make.ts';
import { succeeded } from '../support/lab/pairings.ts';

const ourKprop = ourProgram('kprop');
let lab: Lab;
let kpropd: Kpropd;
beforeAll(async () => {
  lab = await Lab.create({ principals: 200 });
  await lab.dump();
  kpropd = await lab.startMitKpropd();
});
afterAll(() => lab.close());

/** Either program with exactly these arguments, and none of the lab's own. */
function run(make: Make, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return make === 'ours'
    ? lab.run(process.execPath, [ourKprop, ...args], { env })
    : lab.run('/usr/sbin/kprop', args, { env, argv0: 'kprop' });
}

async function both(args: readonly string[], env?: NodeJS.ProcessEnv) {
  const said = ({ status, stdout, stderr }: Outcome) => ({
    status,
    stdout,
    stderr: stderr.replace(/^(cause|fix): .*\n/gm, ''),
  });
  const [mit, ours] = [said(await run('mit', args, env)), said(await run('ours', args, env))];
  expect(ours).toEqual(mit);
  return ours;
}

const usage = '\nUsage: kprop [-r realm] [-f file] [-d] [-P port] [-s keytab] replica_host\n\n';

describe('the command line, as MIT reads it', () => {
  test.each([[[]], [['one', 'two']], [['-d']], [['--']], [['-d', '--', 'one', '-d']]])(
    'usage: %j',
    async (args) => {
      expect(await both(args)).toEqual({ status: 1, stdout: '', stderr: usage });
    },
  );

  test.each([
    [['-x', 'host'], "invalid option -- 'x'"],
    [['-dx', 'host'], "invalid option -- 'x'"],
    [['host', '-x'], "invalid option -- 'x'"],
    [['-x', '-y', 'host'], "invalid option -- 'x'"],
    [['host', '-P'], "option requires an argument -- 'P'"],
    [['-S', 'host'], "invalid option -- 'S'"],
    // MIT's has no long options: the second dash is a letter like any other.
    [['--nonsense=1', 'host'], "invalid option -- '-'"],
  ])('%j is complained of, then usage', async (args, complaint) => {
    const stderr = `kprop: ${complaint}\n${usage}`;
    expect(await both(args)).toEqual({ status: 1, stdout: '', stderr });
  });

  const port = () => String(kpropd.port);
  const good: readonly [string, () => string[]][] = [
    ['options behind the host', () => ['127.0.0.1', '-P', port(), '-f', lab.dumpFile]],
    ['joined', () => [`-P${port()}`, `-f${lab.dumpFile}`, '127.0.0.1']],
    ['-- before the host', () => ['-P', port(), '-f', lab.dumpFile, '--', '127.0.0.1']],
    [
      'twice, the last one counts',
      () => ['-P', '1', '-P', port(), '-f', '/', '-f', lab.dumpFile, '127.0.0.1'],
    ],
    [
      '-r with the default realm',
      () => ['-r', lab.realm, '-P', port(), '-f', lab.dumpFile, '127.0.0.1'],
    ],
  ];
  test.each(good)('%s', async (_, args) => {
    expect(await both(args())).toMatchObject(succeeded());
  });

  test('-d, alone and in a cluster: a line for each block', async () => {
    const bytes = statSync(lab.dumpFile).size;
    const lines = [32_768, 65_536, bytes].map((sent) => `${sent} bytes sent.\n`).join('');
    const stdout = `${lines}${succeeded().stdout}`;
    for (const args of [
      ['-d', '-P', port()],
      ['-dP', port()],
      ['-ddP', port()],
    ]) {
      const said = await both([...args, '-f', lab.dumpFile, '127.0.0.1']);
      expect(said).toEqual({ status: 0, stdout, stderr: '' });
    }
  });
});

describe('what MIT has not', () => {
  test('which operand is missing, or too much', async () => {
    const none = await run('ours', []);
    expect(none.stderr).toBe(
      `${usage}cause: replica_host is missing\nfix: end the command with the name of the replica\n`,
    );
    const two = await run('ours', ['one', 'two']);
    expect(two.stderr).toMatch(
      /^cause: there are 2 operands where one .*: one two\nfix: run kprop once/m,
    );
  });

  test('--version', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
    expect(await run('ours', ['--version'])).toMatchObject({
      status: 0,
      stdout: `kprop ${version} (${ourProgram('kprop')})\n`,
      stderr: '',
    });
  });

  test('--help: the usage and all else', async () => {
    const { status, stdout, stderr } = await run('ours', ['--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.startsWith(usage)).toBe(true);
    for (const option of ['--ccache', '--gss', '--help', '--version']) {
      expect(stdout).toContain(option);
    }
  });
});

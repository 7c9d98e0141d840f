import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { Lab, packageRoot } from './support/lab/lab.ts';
import { freePort, listens } from './support/lab/lab-process.ts';
import { expectReplicaHas, succeeded } from './support/lab/pairings.ts';

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

let folder: string;
let packed: Packed;
let lab: Lab;
const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
const prefix = () => join(folder, 'prefix');
const installed = (name: 'kprop' | 'kpropd') => join(prefix(), 'bin', name);

/** Nothing of the npm that may be running these tests. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^npm_(package|lifecycle)_/.test(name),
  );
  return Object.fromEntries(kept);
}

function npm(
  args: readonly string[],
  { cwd = packageRoot, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  return execFileSync('npm', [...args, ...quiet], {
    cwd,
    encoding: 'utf8',
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-package-'));
  [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', folder]));
  // A machine on which the optional package kerberos can neither be fetched as a binary nor built.
  npm(['install', '--global', '--prefix', prefix(), join(folder, packed.filename)], {
    env: { npm_config_build_from_source: 'true', CC: '/bin/false', CXX: '/bin/false' },
  });
  lab = await Lab.create({ principals: 5 });
  await lab.dump();
});
afterAll(async () => {
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the tarball', () => {
  test('has what a user needs, and none of the development files', () => {
    const paths = packed.files.map((file) => file.path);
    const rooms = new Set(paths.map((path) => path.split('/')[0]));
    expect([...rooms].sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SECURITY.md',
        'dist',
        'docs',
        'package.json',
        'packaging',
        'schemas',
      ].sort(),
    );
    expect(paths.filter((path) => /\.(test|spec)\.|(?<!\.d)\.ts$|\.map$/.test(path))).toEqual([]);
    for (const named of [
      'dist/library/index.js',
      'dist/index.d.ts',
      'packaging/inetd/inetd.conf',
      'docs/migration.md',
    ]) {
      expect(paths).toContain(named);
    }
    // Every module has its types, and no other file lies among them; bundles have none.
    const modules = paths.filter(
      (path) => path.endsWith('.js') && !/^dist\/(bin|library)\//.test(path),
    );
    const types = paths.filter((path) => path.endsWith('.d.ts'));
    expect(types.map((path) => path.replace(/\.d\.ts$/, '.js')).sort()).toEqual(modules.sort());
  });

  test('has programs that may be executed', () => {
    for (const path of Object.values<string>(manifest.bin)) {
      const file = packed.files.find((one) => one.path === path);
      expect(file?.mode.toString(8), path).toBe('755');
    }
  });

  test('is built first, if dist is missing: a clone gives the full package', {
    timeout: 240_000,
  }, () => {
    const clone = join(folder, 'clone');
    // What a clone of this very tree would have.
    const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const files = execFileSync('git', list, { cwd: packageRoot, encoding: 'utf8' }).split('\0');
    for (const file of files.filter((name) => existsSync(join(packageRoot, name)) && name !== '')) {
      cpSync(join(packageRoot, file), join(clone, file));
    }
    for (const modules of ['node_modules', 'kpropctl/node_modules']) {
      symlinkSync(join(packageRoot, modules), join(clone, modules));
    }
    const pack = (...args: readonly string[]): readonly string[] => {
      const [built] = JSON.parse(npm(['pack', '--json', '--dry-run', ...args], { cwd: clone }));
      return (built as Packed).files.map((file) => file.path);
    };
    // To the last file, what a tree that was built gives.
    expect(pack().toSorted()).toEqual(packed.files.map((file) => file.path).toSorted());
    const control = pack('--workspace', 'kpropctl');
    for (const name of ['dist/main.js', 'dist/man/kpropctl.8', 'assets/page.css', 'README.md']) {
      expect(control).toContain(name);
    }
  });

  test('keeps the imports that are there for what they do', () => {
    // An import that binds no name is dropped from a bundle, unless package.json lists its file.
    const bundle = (name: string) => readFileSync(join(packageRoot, manifest.bin[name]), 'utf8');
    expect(bundle('kprop')).toContain('process.on("SIGUSR1",()=>{})');
    expect(bundle('kpropd')).toContain('process.on("SIGUSR1",()=>{});process.on("SIGHUP",()=>{})');
  });

  test('passes publint', async () => {
    const { messages: all } = await publint({ pkgDir: packageRoot, strict: true });
    // It looks for "node" in the first line; ours names the shell that starts Node (scripts/build.mjs).
    const messages = all.filter(({ code }) => code !== 'BIN_FILE_NOT_EXECUTABLE');
    expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
  });
});

describe('installed where kerberos cannot be built', () => {
  test('it is there without kerberos', () => {
    const modules = join(prefix(), 'lib/node_modules/kprop/node_modules');
    expect(existsSync(join(modules, 'koffi'))).toBe(true);
    expect(existsSync(join(modules, 'kerberos'))).toBe(false);
  });

  test.each(['kprop', 'kpropd'] as const)('%s says its version', async (program) => {
    const outcome = await lab.run(installed(program), ['--version']);
    expect(outcome.status).toBe(0);
    expect(outcome.stdout).toMatch(new RegExp(`^${program} ${manifest.version} \\(/.*\\)\n$`));
  });

  test('both programs do a whole propagation', async () => {
    const port = await freePort();
    const { acl, fromMaster } = lab.replica;
    const args = ['-D', '-t', '-P', String(port), '-a', acl, '-f', fromMaster];
    const kpropd = lab.start(installed('kpropd'), args, { role: 'replica' });
    await kpropd.until(() => listens(port), 'the installed kpropd');
    expect(await lab.run(installed('kprop'), lab.kpropArgs({ port }))).toMatchObject(succeeded());
    expect(await kpropd.ended).toMatchObject({ status: 0, stderr: '' });
    await expectReplicaHas(lab);
  });

  test('kprop --gss says what is missing', async () => {
    const outcome = await lab.run(installed('kprop'), ['--gss', ...lab.kpropArgs({ port: 1 })]);
    expect(outcome).toMatchObject({ status: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/^kprop: .*while getting initial credentials$/m);
    expect(outcome.stderr).toMatch(/^fix: install the optional package "kerberos"/m);
  });

  test('each export loads, and its types are those of its module', async () => {
    const script = `
      const verbs = [await import('kprop'), await import('kprop/propagate'), await import('kprop/serve')];
      console.log(verbs.map((one) => [one.propagate, one.serveKprop].map((verb) => typeof verb).join()).join(' '));`;
    const home = join(prefix(), 'lib');
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: home,
      encoding: 'utf8',
    });
    expect(run.stdout, run.stderr).toBe(
      'function,function function,undefined undefined,function\n',
    );
    cpSync(join(packageRoot, 'package.json'), join(folder, 'source.json'));
    for (const { types } of Object.values<{ types?: string }>(manifest.exports)) {
      if (types !== undefined)
        expect(existsSync(join(home, 'node_modules/kprop', types))).toBe(true);
    }
  });

  test.each(['kprop', 'kpropd'] as const)('%s names a koffi that is not whole', async (program) => {
    // What --omit=optional leaves out of a package beside kerberos.
    const binary = join(prefix(), 'lib/node_modules/kprop/node_modules/@koromix');
    const aside = join(dirname(binary), 'aside');
    renameSync(binary, aside);
    try {
      const args = program === 'kprop' ? lab.kpropArgs({ port: 1 }) : ['-d', '-P', '1'];
      const { status, stderr } = await lab.run(installed(program), args);
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: expect.stringMatching(
          new RegExp(
            `^${program}: .*\\nfix: run .npm install. again, without --omit=optional`,
            's',
          ),
        ),
      });
      expect(stderr).not.toMatch(/^ {4}at /m);
    } finally {
      renameSync(aside, binary);
    }
  });
});

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';
import { faultsOf, run, shown } from '../../test/support/lab/shells.ts';
import { commandLine } from '../src/command-line.ts';
import type { Surroundings } from '../src/commands.ts';
import { globalRelations, replicaRelations } from '../src/config/relations.ts';

// The command line, its help, the manual pages and the completions say the same.

const dist = (...path: readonly string[]) => join(packageRoot, 'kpropctl/dist', ...path);
const { commands } = commandLine({} as Surroundings, () => undefined);
const kpropctl = (...args: readonly string[]) => run(process.execPath, [dist('main.js'), ...args]);

describe('manual pages', () => {
  test.each(['kpropctl.8', 'kpropctl.conf.5'])('%s is without fault', (page) => {
    expect(faultsOf(dist('man', page))).toBe('');
  });

  test.each(commands)('kpropctl.8 has a command with all that --help says of it', (command) => {
    const text = shown(dist('man/kpropctl.8'));
    const at = text.search(new RegExp(`^ {5}${command.name()}\\b`, 'm'));
    expect(at, command.name()).toBeGreaterThan(0);
    const [section = ''] = text.slice(at + 5).split(/^ {5}[a-z]/m);
    const words = section.replace(/\s+/g, ' ').toLowerCase();
    expect(words).toContain(command.description().toLowerCase());
    for (const { long, description } of command.options) {
      expect(description, long).not.toBe('');
      expect(words).toContain(long);
      expect(words).toContain(description.toLowerCase());
    }
  });

  test('kpropctl.conf.5 has every relation, with its default', () => {
    const text = shown(dist('man/kpropctl.conf.5'));
    for (const [name, { byDefault }] of Object.entries({
      ...globalRelations,
      ...replicaRelations,
    })) {
      const [, about = ''] = new RegExp(`^ {5}${name}\\b([^]*?)\n\n`, 'm').exec(text) ?? [];
      expect(about, name).not.toBe('');
      if (byDefault !== undefined) expect(about).toContain(`Default: ${byDefault}.`);
    }
  });
});

describe('completions', () => {
  test('bash offers commands, their options and their operands', () => {
    const script = kpropctl('completion', 'bash');
    const offers = (...words: readonly string[]) =>
      run('bash', [
        ...['--norc', '-c'],
        `compopt() { :; }
${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}) COMP_CWORD=${words.length - 1}
_kpropctl
printf '%s\\n' "\${COMPREPLY[@]}"`,
      ]).split('\n');
    const names = commands.map((command) => command.name());
    expect(offers('kpropctl', '')).toEqual(expect.arrayContaining(names));
    for (const command of commands) {
      const options = command.options.map(({ long }) => expect.stringContaining(`${long}`));
      expect(offers('kpropctl', command.name(), '--')).toEqual(expect.arrayContaining(options));
    }
    expect(offers('kpropctl', 'completion', '')).toEqual(expect.arrayContaining(['bash', 'fish']));
  });

  test.each([
    ['zsh', '_kpropctl'],
    ['fish', 'kpropctl.fish'],
  ])('%s reads its file, which has all commands and options', (shell, file) => {
    const path = dist('completions', file);
    const { status, stderr } = spawnSync(shell, ['-n', path], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const text = readFileSync(path, 'utf8');
    for (const command of commands) {
      for (const { long = '' } of command.options) {
        expect(text).toContain(shell === 'fish' ? `-l ${long.slice(2)}` : long);
      }
    }
  });

  test('a shell that there are none for', () => {
    const { status, stderr } = spawnSync(process.execPath, [dist('main.js'), 'completion', 'csh'], {
      encoding: 'utf8',
    });
    expect(status).toBe(64);
    expect(stderr).toBe('kpropctl: no completions for csh; there are some for bash, zsh, fish\n');
  });
});

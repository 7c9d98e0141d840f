import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { aboutOption, helpText, writtenOption } from '../src/cli/help.ts';
import { kpropOptions } from '../src/cli/kprop/options.ts';
import { kpropdOptions } from '../src/cli/kpropd/options.ts';
import { kproplogOptions } from '../src/cli/kproplog/options.ts';
import type { Option } from '../src/cli/option.ts';
import { packageRoot } from './support/lab/lab.ts';
import { faultsOf, run, shown } from './support/lab/shells.ts';

// Tables of options, help, manual pages, documents and completions say the same.

const programs: Readonly<Record<string, readonly Option[]>> = {
  kprop: kpropOptions,
  kpropd: kpropdOptions,
  kproplog: kproplogOptions,
};
const names = Object.keys(programs);
const dist = (...path: readonly string[]) => join(packageRoot, 'dist', ...path);
const pages = readdirSync(dist('man'));

describe('manual pages', () => {
  test('there is one for each program and each file', () => {
    const wanted = [...names.map((name) => `${name}.8`), 'kprop.json.5', 'kpropd.acl.5'];
    expect(pages.toSorted()).toEqual(wanted.toSorted());
    const { man } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
    expect(man.toSorted()).toEqual(wanted.map((page) => `./dist/man/${page}`).toSorted());
  });

  test.each(pages)('%s is without fault', (page) => {
    expect(faultsOf(dist('man', page))).toBe('');
  });

  test.each(names)('%s.8 has every option, with its default', (name) => {
    const text = shown(dist('man', `${name}.8`)).replace(/\s+/g, ' ');
    for (const option of programs[name] ?? []) {
      expect(text).toContain(` ${writtenOption(option)} ${aboutOption(option)}`);
    }
  });
});

describe('--help', () => {
  test.each(names)('of %s has every option, with its default', (name) => {
    const help = run(process.execPath, [dist('bin', `${name}.js`), '--help']);
    const usage = help.slice(0, help.indexOf('Options:'));
    expect(help).toBe(helpText(usage, programs[name] ?? []));
  });

  test('fits on a terminal', () => {
    for (const name of names) {
      const help = run(process.execPath, [dist('bin', `${name}.js`), '--help']);
      for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});

describe('docs/reference.md', () => {
  const reference = readFileSync(join(packageRoot, 'docs/reference.md'), 'utf8');

  test.each(names)('has a row for every option of %s, and for no other', (name) => {
    const [, section = ''] = reference.split(new RegExp(`^## ${name}$`, 'm'));
    const [, table = ''] =
      /^\| option \| .*\n\|---.*\n((?:\| .*\n)*)/m.exec(section.split('\n## ', 1)[0] ?? '') ?? [];
    expect(table.trimEnd().split('\n')).toEqual((programs[name] ?? []).map(referenceRow));
  });
});

/** The row of an option in docs/reference.md. */
function referenceRow(option: Option): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const inWords = (text: string) => cell(text).replaceAll('<', '\\<');
  const { byDefault, ...others } = option;
  const cells = [`\`${cell(writtenOption(option))}\``, inWords(aboutOption(others))];
  return `| ${cells.join(' | ')} |${byDefault === undefined ? '' : ` ${inWords(byDefault)}`} |`;
}

/** What each shell offers behind these words. */
const shells: Readonly<Record<string, (words: string) => readonly string[]>> = {
  bash: (words) => {
    // As readline takes it apart: "=" is a word of its own.
    const taken = words.split(/ |(?<==)|(?==)/);
    const quoted = taken.map((word) => `'${word}'`).join(' ');
    const [name = ''] = taken;
    const script = `compopt() { :; }
source '${dist('completions', `${name}.bash`)}'
COMP_WORDS=(${quoted}) COMP_CWORD=${taken.length - 1}
_${name}
printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', ['--norc', '-c', script]).split('\n').filter(Boolean);
  },
  fish: (words) =>
    run('fish', [
      '--no-config',
      '-c',
      `source '${dist('completions', `${words.split(' ', 1)[0]}.fish`)}'
complete -C '${words}'`,
    ])
      .split('\n')
      .map((line) => line.split('\t', 1)[0] as string)
      .filter(Boolean)
      .map((word) => word.replace(/^--[^=]*=/, '')),
  zsh: (words) => {
    // The shell works through its input in order: it says DONE when the list has been printed.
    const setUp = [
      `fpath=('${dist('completions')}' \\$fpath)`,
      'autoload -Uz compinit',
      'compinit -u -D',
      "tell() { print -n DO''NE }",
      'zle -N tell',
      'bindkey ^Xd tell',
      'LISTMAX=1000',
      'setopt no_beep',
      "echo rea''dy",
    ].join('; ');
    const script = `zmodload zsh/zpty
zpty -b z zsh -f -i
zpty -w z "${setUp}"
zpty -r z out '*ready*'
zpty -n -w z $'${words}\\t\\t\\C-xd'
zpty -r z out '*DONE*'
print -r -- $out
zpty -d z`;
    return run('zsh', ['-f', '-c', script]).split(/[^!-~]+|(?<==)/);
  },
};

describe.each(Object.keys(shells))('%s completes', (shell) => {
  const offers = shells[shell] as (words: string) => readonly string[];

  test.each(names)('the long options of %s', (name) => {
    const offered = offers(`${name} --`).join(' ');
    for (const option of programs[name] ?? []) {
      if (option.name.length > 1) expect(offered).toContain(option.name);
    }
  });

  test('the values of --load', () => {
    const offered = offers('kpropd --load=');
    for (const mode of ['auto', 'native', 'kdb5_util']) expect(offered).toContain(mode);
  });
});

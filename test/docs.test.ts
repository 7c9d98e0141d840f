import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { expect, test } from 'vitest';

import { catalogue } from '../src/errors/catalogue/catalogue.ts';
import type { Row } from '../src/errors/catalogue/row.ts';
import { krb5ErrorText, resolverTexts } from '../src/errors/com-err.ts';
import { packageRoot } from './support/lab/lab.ts';

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8');

/** The messages that the page shows: what stands in backquotes in the first column of its tables. */
const shown = read('docs/troubleshooting.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.includes('| cause |'))
  .flatMap((line) => [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)])
  .map(([, message]) => message as string);

/** A message of the page as a pattern: "…" is anything, and so is a placeholder such as FILE. */
function patternOf(message: string): RegExp {
  const source = message
    .split(/(…|\b(?:FILE|HOST|PATH|REASON|F|M|N|P)\b)/)
    .map((part, at) => (at % 2 === 1 ? '.*' : part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`, 's');
}
const patterns = shown.map(patternOf);
/** What comes in front of the step, where that is more than "anything". */
const heads = shown
  .map((message) => message.replace(/ (while|Unable to) .*/, ''))
  .filter((head) => /\w{4}/.test(head.replace('REASON', '')))
  .map(patternOf);
const steps = shown
  .map((message) => /while (?!…).*/.exec(message)?.[0] ?? message)
  .filter((step) => !/^….{0,3}$/.test(step))
  .map(patternOf);

/** Any detail: each field of it is the same word, which stands for itself in what is said. */
const anything = new Proxy({}, { get: () => 'any' });
/** Details by which a row gives different texts. */
const details: Readonly<Record<string, readonly unknown[]>> = {
  'config.include': [{ kind: 'include' }, { kind: 'includedir' }],
  'config.value': ['a boolean', 'an integer', 'a duration', 'a colour'].map((kind) => ({
    reason: `is not ${kind}`,
  })),
  'keytab.format': [{ reason: 'bad record length' }, { reason: 'any' }],
  'ccache.missing': [{ errno: 'ENOENT' }],
  'auth.replay-name': [{ known: true }, { known: false }],
  'network.unresolved': Object.keys(resolverTexts)
    .filter((reason) => reason !== 'EAI_MEMORY')
    .map((reason) => ({ reason })),
  'dump.not-ready': [{ path: 'any', okPath: 'any.dump_ok' }],
  'loader.killed': [{ path: 'any', signal: 'SIGKILL' }],
  'auth.denied': [{ client: 'any', reason: 'it is not in the ACL' }],
  // Those that advice.ts has something to say about.
  'kdc.error': [1, 2, 6, 7, 12, 14, 18, 19, 23, 24, 25, 27, 31, 37, 60, 68].map((number) => ({
    number,
  })),
  'peer.refused': [31, 32, 33, 34, 35, 37, 42, 44, 45].map((number) => ({ number })),
};

/** Rows whose own text is not printed where MIT's programs are quoted: the step says it all. */
const saidByTheStep = new Set(['dump.changed', 'dump.locked', 'kprop.bad-size']);

const texts = Object.entries(catalogue as unknown as Record<string, Row<unknown>>).flatMap(
  ([code, row]) =>
    (details[code] ?? [anything]).map((detail) => {
      const { comErr } = row;
      const value = typeof comErr === 'function' ? comErr(detail) : (comErr ?? row.says(detail));
      return [code, typeof value === 'number' ? krb5ErrorText(value) : `${value}`] as const;
    }),
);

test.each(
  // An errno can be any: what it is about is told by the step.
  texts.filter(([code, text]) => text !== 'any' && !saidByTheStep.has(code)),
)('docs/troubleshooting.md has %s: %s', (_, text) => {
  const printed = [text, `${text} while …`, `Generic remote error: ${text}`, `HOST: ${text}`];
  printed.push(`cause: ${text}`, `warning: ${text}`);
  printed.push(`REASON while getting initial credentials, cause ${text}`);
  expect(
    [...heads, ...patterns].some((pattern) => printed.some((line) => pattern.test(line))),
    text,
  ).toBe(true);
});

const sources = readdirSync(join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(join('src', name)))
  .join('\n');

/** MIT's words for a step, as the code hands them to errors; what is inserted becomes a word. */
const doings = [
  /'(while [^'\n]*)'/g,
  /`((?:\$\{\w+\} )?while [^`]*)`/g,
  /(?:inPhase|\.during)\(\s*'\w+',\s*(?:\w+\s*\?\s*)?'([^'\n]+)'/g,
]
  .flatMap((pattern) => [...sources.matchAll(pattern)])
  .map(([, words = '']) =>
    words
      .replace('$' + '{step}', 'reading')
      .replace(/^\$\{\w+\} /, '')
      .replace('$' + '{okPath}', 'any.dump_ok')
      .replace('$' + '{this.temporary}', 'any.temp')
      .replace(/\$\{[^}]*\}/g, 'any'),
  );

test('the steps are found in the code', () => {
  expect(doings).toEqual(
    expect.arrayContaining([
      'while connecting to server',
      'Premature EOF found for database file!',
      'Unable to get default realm',
      "while trying to lock 'any'",
    ]),
  );
});

test.each([...new Set(doings)])('docs/troubleshooting.md has the step %s', (doing) => {
  const printed = [doing, `any ${doing}`];
  expect(
    [...steps, ...patterns].some((pattern) => printed.some((line) => pattern.test(line))) ||
      shown.some((message) => message.endsWith(doing)),
    doing,
  ).toBe(true);
});

test.each([
  'Full propagation timed out',
  'Could not write pid file',
  'getaddrinfo: ',
  'Rejected connection from unauthorized principal ',
  'returned a bad exit status (',
  ' load terminated',
  'Error in krb5_recvauth: ',
  "while creating 'last_prop' file, '",
  ' is empty, as a kdb5_util dump that failed leaves it: ',
])('docs/troubleshooting.md has %s, which the programs say themselves', (words) => {
  expect(sources).toContain(words);
  expect(shown.some((message) => message.includes(words))).toBe(true);
});

test('docs/troubleshooting.md begins with what is met most: nothing listens', () => {
  const [first] = /^## .*$/m.exec(read('docs/troubleshooting.md')) ?? [];
  expect(first).toBe('## Connection refused while connecting to server');
  expect(shown[0]).toBe('Connection refused while connecting to server');
});

test('the examples of README and of the reference compile', () => {
  const folder = join(packageRoot, 'node_modules/.cache/kprop/readme');
  mkdirSync(folder, { recursive: true });
  const library = relative(folder, join(packageRoot, 'src/index.ts'));
  const examplesOf = (path: string) =>
    [...read(path).matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) =>
      code.replace("from 'kprop'", `from '${library}'`),
    );
  const perPage = ['README.md', 'docs/reference.md'].map(examplesOf);
  expect(perPage.map(({ length }) => length)).toEqual([1, 4]);
  const examples = perPage.flat();
  const files = examples.map((code, at) => {
    const file = join(folder, `example-${at}.ts`);
    writeFileSync(file, code);
    return file;
  });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  const settings = {
    extends: join(packageRoot, 'tsconfig.json'),
    compilerOptions: { typeRoots: [join(packageRoot, 'node_modules/@types')] },
    files,
    include: [],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  const tsc = join(packageRoot, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

test('SECURITY.md names tests that are there, and README leads to it', () => {
  const named = [...read('SECURITY.md').matchAll(/`((?:kpropctl\/)?test\/[\w/.-]+)`/g)].map(
    ([, path]) => path,
  );
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter((path) => !existsSync(join(packageRoot, path as string)));
  expect(missing).toEqual([]);
  expect(read('README.md')).toContain('](SECURITY.md)');
});

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'kpropctl/README.md',
  ...readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

test.each(pages)('what %s links to is there', (page) => {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
  const missing = links.filter((target) => {
    const [path = '', heading] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(packageRoot, file))) return true;
    return heading !== undefined && !anchorsOf(file).includes(heading);
  });
  expect(missing).toEqual([]);
});

/** The anchors of the headings of a page, as they are made from their words. */
function anchorsOf(path: string): readonly string[] {
  return [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('README is short, and leads to every page', () => {
  const readme = read('README.md');
  expect(readme.split('\n').length).toBeLessThan(150);
  const others = pages.filter((name) => name !== 'README.md');
  expect(others.filter((page) => !readme.includes(`](${page}`))).toEqual([]);
});

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

/** A statement at the top level of a file of src, or one name of an `export … from`. */
interface Statement {
  readonly file: string;
  /** What it declares; undefined for a statement that runs when the file is loaded. */
  readonly name: string | undefined;
  /** Without comments. */
  readonly text: string;
}

/** A name that a file imports or re-exports. */
interface Binding {
  readonly local: string;
  readonly from: string;
  readonly name: string;
}

const root = fileURLToPath(new URL('../', import.meta.url));
const src = join(root, 'src');
const texts = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => [name, withoutComments(readFileSync(join(src, name), 'utf8'))]),
);
const statements = new Map([...texts].map(([file, text]) => [file, statementsOf(file, text)]));
const bindings = new Map([...texts].map(([file, text]) => [file, bindingsOf(file, text)]));
const entries = entriesOf(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
const reached = reachedFrom(entries);

test('the entries are found, and what is declared', () => {
  expect(entries).toEqual([
    'cli/kprop.ts',
    'cli/kpropd.ts',
    'cli/kproplog.ts',
    'client/propagate.ts',
    'index.ts',
    'server/applier-process.ts',
    'server/native-worker.ts',
    'server/serve.ts',
    'ticket/gss-worker.ts',
  ]);
  expect(reached.size).toBeGreaterThan(500);
});

test('every declaration of src is reached from a program or a public export', () => {
  const all = [...statements.values()].flat();
  // A message's type stands beside its table, whoever needs it.
  const others = all.filter(
    (one) => one.name !== undefined && !reached.has(one) && !/= Decoded<typeof /.test(one.text),
  );
  expect(others.map(({ file, name }) => `${file}: ${name}`)).toEqual([]);
});

test('every member of a class is public, or used by what is reached', () => {
  const exported = new Set(statements.get('index.ts')?.map(({ name }) => name));
  const code = [...reached].map(({ text }) => text).join('\n');
  // After a dot, or taken out of an object.
  const used = new Set(
    [...code.matchAll(/\.(\w+)|(?<=[{,]\s*)(\w+)(?=\s*[,}:=])/g)].map(([, dot, own]) => dot ?? own),
  );
  const members = [...reached].flatMap(({ file, name, text }) =>
    exported.has(name)
      ? []
      : membersOf(text).map((member) => ({ member, is: `${file}: ${name}.${member}` })),
  );
  expect(members.length).toBeGreaterThan(100);
  expect(members.filter(({ member }) => !used.has(member)).map(({ is }) => is)).toEqual([]);
});

/** What package.json exports, the programs, and the files that run as processes of their own. */
function entriesOf(manifest: { readonly exports: Record<string, { readonly types?: string }> }) {
  const exported = Object.values(manifest.exports).map(({ types = '' }) => types);
  const started = [...texts].flatMap(([file, text]) =>
    [...text.matchAll(/new URL\('([^']+)', import\.meta\.url\)/g)].map(
      ([, path = '']) => `./dist/${relative(src, join(src, dirname(file), path))}`,
    ),
  );
  const programs = [...texts].filter(([, text]) => text.startsWith('#!')).map(([file]) => file);
  const sources = [...exported, ...started].map((path) =>
    path.replace(/^\.\/dist\/(.*?)(?:\.d\.ts|\.js)$/, '$1.ts'),
  );
  return [...new Set([...sources, ...programs])].filter((file) => texts.has(file)).sort();
}

/** All that these files run and declare, and what that names, and so on. */
function reachedFrom(files: readonly string[]): ReadonlySet<Statement> {
  const found = new Set<Statement>();
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const { from } of bindings.get(file)?.filter(({ local }) => local === '') ?? [])
      load(from);
    for (const one of statements.get(file) ?? []) if (one.name === undefined) visit(one);
  };
  const visit = (statement: Statement): void => {
    if (found.has(statement)) return;
    found.add(statement);
    load(statement.file);
    for (const name of namesUsedIn(statement.text)) visitName(statement.file, name);
  };
  const visitName = (file: string, name: string): void => {
    for (const one of statements.get(file) ?? []) if (one.name === name) visit(one);
    for (const one of bindings.get(file) ?? [])
      if (one.local === name) visitName(one.from, one.name);
  };
  for (const file of files) for (const one of statements.get(file) ?? []) visit(one);
  return found;
}

/** All words but strings, properties (`.name`) and keys (`name:`). */
function namesUsedIn(text: string): Set<string> {
  const words = text
    .replace(/'[^'\n]*'/g, '')
    .matchAll(/(?<!(?<!\.\.)\.|[\w$#])\w+(?![\w$]|\??:)/g);
  return new Set([...words].map(([word]) => word));
}

/** As Biome formats it, a line that is not indented and begins with a word begins a statement. */
function statementsOf(file: string, text: string): Statement[] {
  return text.split(/^(?=[a-z])/m).flatMap((part): Statement[] => {
    if (/^(import|#!)/.test(part)) return [];
    const [, names] = /^export (?:type )?\{([^}]*)\} from /.exec(part) ?? [];
    if (names !== undefined) {
      return namesIn(names).map(({ local }) => ({ file, name: local, text: local }));
    }
    const declared =
      /^(?:export )?(?:abstract |async )*(?:class|const|function\*?|interface|let|type) (\w+)/;
    return [{ file, name: declared.exec(part)?.[1], text: part }];
  });
}

/** A bare import binds no name. */
function bindingsOf(file: string, text: string): Binding[] {
  const found = text.matchAll(/^(?:import|export) (?:type )?(?:\{([^}]*)\} from )?'(\.[^']+)';/gm);
  return [...found].flatMap(([, names, path = '']) => {
    const from = relative(src, join(src, dirname(file), path));
    const named = names === undefined ? [{ name: '', local: '' }] : namesIn(names);
    return named.map((one) => ({ ...one, from }));
  });
}

function namesIn(list: string): { readonly name: string; readonly local: string }[] {
  const found = list.matchAll(/(?:type )?(\w+)(?: as (\w+))?/g);
  return [...found].map(([, name = '', local = name]) => ({ name, local }));
}

/** Those that others may call by name; the compiler finds unused `#names`, JSON.stringify calls toJSON. */
function membersOf(text: string): string[] {
  if (!/^(export )?(abstract )?class /.test(text)) return [];
  const found = text.matchAll(
    /^ {2}(?:(?:async|get|override|readonly|set|static) |\*)*(?!private |readonly |static )(\w+)[!?]?[(<:; ]/gm,
  );
  return [...found]
    .map(([, name = '']) => name)
    .filter((name) => !/^(constructor|toJSON)$/.test(name));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

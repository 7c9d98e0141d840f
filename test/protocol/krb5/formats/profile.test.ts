import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { type Include, parseProfile } from '../../../../src/protocol/krb5/formats/profile.ts';
import { profileValues } from '../../../support/profile-values.ts';

interface Vectors {
  readonly included: Readonly<Record<string, string>>;
  readonly cases: readonly {
    readonly files: readonly string[];
    readonly values?: Readonly<Record<string, readonly string[]>>;
    readonly error?: keyof typeof reasons;
  }[];
}

const reasons = {
  'header inside subsection': 'a section header stands inside a subsection',
  relation: 'this is not a relation of the form "tag = value"',
  header: 'a section header is malformed',
  'open brace': 'an open brace is missing',
  'closing brace': 'a closing brace has no open one',
};

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/formats-profile.json', import.meta.url), 'utf8'),
);

const from =
  (files: Readonly<Record<string, string>>): Include =>
  (kind, path) => {
    const names =
      kind === 'include' ? [path] : Object.keys(files).filter((n) => n.startsWith(path));
    return names.map((file) => {
      const text = files[file];
      if (text !== undefined) return { file, text };
      throw new KpropError('config.unreadable', { path: file, errno: 'ENOENT' });
    });
  };
const parse = (text: string, files: Readonly<Record<string, string>> = {}) =>
  parseProfile(text, 'krb5.conf', from(files));
/** The values of section/…/tag in one text. */
const valuesIn = (path: string, text: string, files: Readonly<Record<string, string>> = {}) =>
  profileValues([parse(text, files)], path.split('/'));

describe('random texts are read as libkrb5 reads them', () => {
  const names = ['a', 'b', 'c'];
  const pairs = names.flatMap((x) => names.map((y) => [x, y]));
  const paths = [...pairs, ...pairs.flatMap((pair) => names.map((z) => [...pair, z]))];

  test.each(vectors.cases.map((one, index) => [index, one] as const))(
    'text %i',
    (_index, { files, values, error }) => {
      const read = () => files.map((text) => parse(text, vectors.included));
      if (error !== undefined) {
        expect(read).toThrow(expect.objectContaining({ code: 'config.syntax' }));
        expect(read).toThrow(reasons[error]);
        return;
      }
      const trees = read();
      const found = paths.map((path) => [path.join('/'), profileValues(trees, path)] as const);
      expect(Object.fromEntries(found.filter(([, list]) => list.length > 0))).toEqual(values);
    },
  );
});

describe('errors', () => {
  test.each([
    ['[a', 1, 'header'],
    ['[a] x', 1, 'header'],
    ['[a]\n\n[b] x', 3, 'header'],
    ['[a]\n[b]**', 2, 'header'],
    ['[a]\nx', 2, 'relation'],
    ['[a]\n= 1', 2, 'relation'],
    ['[a]\nfoo bar = 1', 2, 'relation'],
    ['[a]\nmodule /x:y', 2, 'relation'],
    ['[a]\nincluded', 2, 'relation'],
    ['[a]\n}', 2, 'closing brace'],
    ['[a]\nt = {\n}\n}', 4, 'closing brace'],
    ['[a]\nt =\n\n{', 3, 'open brace'],
    ['[a]\nt =\n# comment\n{', 3, 'open brace'],
    ['[a]\nt = {\n[b]', 3, 'header inside subsection'],
  ] as const)('%j', (text, line, reason) => {
    const expected = { file: 'krb5.conf', line, reason: reasons[reason] };
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'config.syntax',
        detail: expected,
        comErrText: 'Improper format of Kerberos configuration file',
      }),
    );
  });

  test('a module line before the first section', () => {
    expect(() => parse('# x\nmodule /lib/x.so:y\n[a]')).toThrow(/line 2: modules/);
  });

  test.each(['[a]\nt = {\n x = 1', '[a]\nt =', '[a]\nt = "open'])('%j is malformed', (text) => {
    expect(() => parse(text)).not.toThrow();
  });
});

describe('before the first header', () => {
  test('everything is ignored, indented headers too', () => {
    expect(valuesIn('a/x', 'junk } {\n [a]\nx = 1\n[a]\nx = 2')).toEqual(['2']);
  });
  test('a byte order mark hides the header', () => {
    expect(valuesIn('a/x', '\ufeff[a]\nx = 1\n[b]')).toEqual([]);
  });
});

describe('sections', () => {
  test('are appended to when they come again, subsections too', () => {
    const text = '[a]\nx = 1\ns = {\n y = 1\n}\n[b]\n[a]\nx = 2\ns = {\n y = 2\n}';
    expect(valuesIn('a/x', text)).toEqual(['1', '2']);
    expect(valuesIn('a/s/y', text)).toEqual(['1', '2']);
  });
  test('nest to any depth, and braces may stand on the next line', () => {
    const text = '[a]\nb = {\nc =\n  { ignored\n d = {\n e = 1\n }\n }\n f = 2\n}\ng = 3';
    expect(valuesIn('a/b/c/d/e', text)).toEqual(['1']);
    expect(valuesIn('a/b/f', text)).toEqual(['2']);
    expect(valuesIn('a/g', text)).toEqual(['3']);
  });
  test('have literal, case-sensitive names', () => {
    expect(valuesIn(' a b/x', '[ a b]\nx = 1')).toEqual(['1']);
    expect(valuesIn('A/x', '[a]\nx = 1')).toEqual([]);
    expect(valuesIn('a/X', '[a]\nx = 1')).toEqual([]);
  });
  test('text after a closing brace is ignored', () => {
    expect(valuesIn('a/x', '[a]\nt = {\n} junk = {\nx = 1')).toEqual(['1']);
  });
});

describe('values', () => {
  test.each([
    ['x=1', '1'],
    ['x = a b \t\v\f', 'a b'],
    ['x = a # no comment', 'a # no comment'],
    ['x = { not alone', '{ not alone'],
    ['x = {}', '{}'],
    ['x = a=b', 'a=b'],
    ['x = ""', ''],
    ['x = "  a  " ignored', '  a  '],
    ['x = "a\\"b\\\\c"', 'a"b\\c'],
    ['x = "\\n\\t\\b\\z"', '\n\t\bz'],
    ['x = "open', 'open'],
    ['x = "open ', 'open '],
    ['x = "\\', '\\'],
    ['x = a"b"', 'a"b"'],
    ['x = \u00a0a\u00a0', '\u00a0a\u00a0'],
    ['x = a\0b', 'a'],
    ['x = a\r', 'a'],
    [`x = ${'v'.repeat(5000)}`, 'v'.repeat(5000)],
  ])('%j', (line, value) => {
    expect(valuesIn('a/x', `[a]\n${line}\n`)).toEqual([value]);
  });

  test.each(['# x = 1', ' ; x = 1', '', ' \t', '\0x = 1'])('%j is not a relation', (line) => {
    expect(valuesIn('a/x', `[a]\n${line}\n`)).toEqual([]);
  });
});

describe('final', () => {
  test.each([
    ['a later relation of the same name', '[a]\nx* = 1\nx = 2', ['1']],
    ['not an earlier one', '[a]\nx = 0\nx* = 1\nx = 2', ['0', '1']],
    ['the tag ends at the mark', '[a]\nx*y = 1', ['1']],
    ['a section that comes again', '[a]*\nx = 1\n[b]\n[a]\nx = 2', ['1']],
    [
      'a section of which only the second header is final',
      '[a]\nx = 1\n[a]*\nx = 2\n[a]\nx = 3',
      ['1', '2'],
    ],
  ])('discards %s', (_label, text, values) => {
    expect(valuesIn('a/x', text)).toEqual(values);
  });

  test.each(['s* = {\nx = 1\n}', 's = {\nx = 1\n}*'])('subsection %j', (first) => {
    const text = `[a]\n${first}\ns = {\nx = 2\nt = {\ny = 3\n}\n}\nz = 4`;
    expect(valuesIn('a/s/x', text)).toEqual(['1']);
    expect(valuesIn('a/s/t/y', text)).toEqual([]);
    expect(valuesIn('a/z', text)).toEqual(['4']);
  });

  test('an included file cannot add to a final section that is open', () => {
    const files = { more: '[a]\nx = 2\n[b]\ny = 3' };
    const text = '[a]*\nx = 1\ninclude more\nx = 4';
    expect(valuesIn('a/x', text, files)).toEqual(['1', '4']);
    expect(valuesIn('b/y', text, files)).toEqual(['3']);
  });

  const lookedUp = (first: string, path: string) =>
    profileValues([parse(first), parse('[a]\nx = 2\ns = {\nx = 2\n}')], path.split('/'));
  test.each([
    ['[a]\nx = 1', 'a/x', ['1', '2']],
    ['[a]*\nx = 1', 'a/x', ['1']],
    ['[a]*', 'a/x', []],
    ['[a]*', 'a/s/x', []],
    ['[a]\nx* = 1', 'a/x', ['1']],
    ['[a]\nx* = 1', 'a/s/x', ['2']],
    ['[a]\ns = {\n}*', 'a/s/x', []],
    ['[a]\ns = {\n}*', 'a/x', ['2']],
  ])('%j hides later files for %s', (first, path, values) => {
    expect(lookedUp(first, path)).toEqual(values);
  });
});

describe('include', () => {
  const files = { one: 'junk\n[b]\ny = 1\ns = {\n z = 1', two: '[a]\nx = two' };

  test('adds to the same tree, and the open section continues', () => {
    const text = 'include one\n[a]\nx = own\ns = {\ninclude two\n z = 2\n}\n';
    expect(valuesIn('a/x', text, files)).toEqual(['own', 'two']);
    expect(valuesIn('a/s/z', text, files)).toEqual(['2']);
    expect(valuesIn('b/y', text, files)).toEqual(['1']);
    expect(valuesIn('b/s/z', text, files)).toEqual(['1']);
  });
  test('works while an open brace is awaited', () => {
    expect(valuesIn('a/s/z', '[a]\ns =\ninclude one\n{\nz = 1\n}', files)).toEqual(['1']);
  });
  test('of a directory takes its files in the order given', () => {
    const dir = { 'd/1': '[a]\nx = 1', 'd/2': '[a]\nx = 2' };
    expect(valuesIn('a/x', 'includedir d/\n', dir)).toEqual(['1', '2']);
  });
  test('counts in column 0 only', () => {
    expect(() => parse('[a]\n include one', files)).toThrow(reasons.relation);
    expect(() => parse(' include nothing')).not.toThrow();
    expect(valuesIn('a/include', '[a]\ninclude= 1')).toEqual(['1']);
  });
  test('keeps blanks at the end of the path', () => {
    expect(() => parse('include one \r\n', files)).toThrow(/cannot read one :/);
  });
  test.each([
    ['include', 'Included profile file could not be read'],
    ['includedir', 'Included profile directory could not be read'],
  ])('%s of something unreadable', (kind, comErrText) => {
    const include: Include = (_kind, path) => {
      throw new KpropError('config.unreadable', { path, errno: 'ENOENT' });
    };
    expect(() => parseProfile(`[a]\n${kind} /none\n`, 'krb5.conf', include)).toThrow(
      expect.objectContaining({
        code: 'config.include',
        comErrText,
        detail: { file: 'krb5.conf', line: 2, kind, path: '/none', errno: 'ENOENT' },
      }),
    );
  });
  test('names the included file in its errors', () => {
    expect(() => parse('include bad', { bad: '[a]\nx' })).toThrow('bad line 2');
  });
  test('of itself ends', () => {
    expect(() => parse('include me', { me: 'include me' })).toThrow('nested too deeply');
  });
  test('an error that is not ours passes unchanged', () => {
    const bug = new TypeError('bug');
    const include: Include = () => {
      throw bug;
    };
    expect(() => parseProfile('include x', 'f', include)).toThrow(bug);
  });
});

test('mutated texts are read or refused with config.syntax, never more', () => {
  const text = '[a]\nx = "q\\n"\ns* = {\n y = 1\n}*\n[b]*\nz =\n{\n}\n# c\ninclude one\n';
  const characters = '[]{}*="\\#; \t\r\n\0ax';
  for (let at = 0; at < text.length; at++) {
    for (const character of characters) {
      for (const rest of [text.slice(at), text.slice(at + 1)]) {
        try {
          parse(text.slice(0, at) + character + rest, { one: '[b]\nz = 1' });
        } catch (error) {
          expect(error).toMatchObject({
            code: expect.stringMatching(/^config\.(syntax|include)$/),
          });
        }
      }
    }
  }
});

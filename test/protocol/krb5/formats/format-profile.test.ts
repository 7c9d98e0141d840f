import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { formatProfile } from '../../../../src/protocol/krb5/formats/format-profile.ts';
import {
  type Include,
  type ProfileTree,
  parseProfile,
} from '../../../../src/protocol/krb5/formats/profile.ts';
import { nameText } from '../../../../src/protocol/krb5/messages/principal.ts';
import { profileValues } from '../../../support/profile-values.ts';

const nothing: Include = () => [];
const read = (bytes: Uint8Array): ProfileTree => parseProfile(nameText(bytes), 'flat', nothing);
const parse = (text: string): ProfileTree => parseProfile(text, 'krb5.conf', nothing);

const { cases }: { cases: readonly { files: readonly string[]; error?: string }[] } = JSON.parse(
  readFileSync(new URL('../../../vectors/formats-profile.json', import.meta.url), 'utf8'),
);

test('random files are written as one that means the same', () => {
  const names = ['a', 'b', 'c'];
  const pairs = names.flatMap((x) => names.map((y) => [x, y]));
  const paths = [...pairs, ...pairs.flatMap((pair) => names.map((z) => [...pair, z]))];
  for (const { files } of cases.filter(({ error }) => error === undefined)) {
    const trees = files.map(parse);
    const flat = [read(formatProfile(trees))];
    for (const path of paths) expect(profileValues(flat, path)).toEqual(profileValues(trees, path));
  }
});

test.each([
  '',
  '"',
  'a "b"',
  '{',
  '{ x',
  ' lead',
  'trail\t',
  'two\nlines',
  '\\',
  'a\\nb',
  '# no',
  'ä',
  '\udcff',
])('the value %j', (value) => {
  const tree = parse('[s]\nt = x\n');
  const [section] = tree.children as [
    Extract<ProfileTree['children'][number], { kind: 'section' }>,
  ];
  const relation = {
    kind: 'relation',
    name: 't',
    value,
    final: false,
    file: 'f',
    line: 2,
  } as const;
  const given: ProfileTree = { ...tree, children: [{ ...section, children: [relation] }] };
  expect(profileValues([read(formatProfile([given]))], ['s', 't'])).toEqual([value]);
});

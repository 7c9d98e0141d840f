import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { packageRoot } from '../support/lab/lab.ts';
import { deviations } from './deviations.ts';
import { kpropdScenarios, kpropScenarios } from './scenarios.ts';

const text = readFileSync(join(packageRoot, 'docs/deviations.md'), 'utf8');
/** Heading → what stands under it. */
const sections = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const end = section.indexOf('\n');
      return [section.slice(0, end), section.slice(end).split(/^## /m)[0]?.trim() ?? ''] as const;
    }),
);

test('docs/deviations.md has the deviations of the table, and no others', () => {
  expect([...sections.keys()].sort()).toEqual(deviations.map(({ id }) => id).sort());
});

test.each(deviations.map(({ id, where }) => [id, where] as const))(
  '%s: has a reason, and names a scenario that shows it',
  (id, where) => {
    const section = sections.get(id) ?? '';
    const [reason = '', shown = ''] = section.split(/^Shown by /m);
    expect(reason.trim().length).toBeGreaterThan(60);
    const named = [...shown.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(Object.keys(where)).toContain(name);
  },
);

test('every scenario of the table exists, and no two have one name', () => {
  const names = [...kpropScenarios, ...kpropdScenarios].map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { where } of deviations) {
    expect(names).toEqual(expect.arrayContaining(Object.keys(where)));
  }
});

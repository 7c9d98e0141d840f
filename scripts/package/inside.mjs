// What of others is inside a package, with versions and licences: for the file "copyright" and the SBOM.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { koffiFor, nodeFor } from './parts.mjs';
import { architectures, nodeVersion } from './release.mjs';
import { root } from './root.mjs';

/**
 * The npm packages of which files were bundled: { name, version, licence, text, where }.
 * @param inputs paths from the root of the clone
 */
export function bundledPackages(inputs) {
  const folders = inputs.map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort().map(describe);
}

export function nodeInside(arch) {
  const name = `node-linux-${architectures[arch].npm}`;
  const text = readFileSync(join(nodeFor(arch), 'LICENSE'), 'utf8');
  return { name, version: nodeVersion, licence: 'MIT', text, where: 'usr/lib/kprop/executable' };
}

export function koffiInside(arch) {
  const { version } = JSON.parse(readFileSync(join(koffiFor(arch), 'package.json'), 'utf8'));
  const name = `@koromix/koffi-linux-${architectures[arch].npm}`;
  const text = readFileSync(join(root, 'node_modules/koffi/LICENSE.txt'), 'utf8');
  return { name, version, licence: 'MIT', text, where: 'usr/lib/kprop/koffi.node' };
}

function describe(folder) {
  const place = join(root, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
  const file = readdirSync(place).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? '' : readFileSync(join(place, file), 'utf8');
  return { name, version, licence: license, text };
}

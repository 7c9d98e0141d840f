// kpropctl as it is installed, with the packages that it needs, for the image of the container tests.

import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Fills a folder that becomes node_modules in the image: kpropctl and all that it needs. */
export function stageControl(root, folder) {
  rmSync(folder, { recursive: true, force: true });
  const control = join(root, 'kpropctl');
  copyPackage(control, join(folder, 'kpropctl'), [...manifestOf(control).files, 'package.json']);
  // The image has kprop with koffi already; the rest of what its library needs is added here.
  const seen = new Set(['kpropctl', 'kprop', 'koffi']);
  const open = [control, root].flatMap(dependenciesOf);
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { name, from } = next;
    if (seen.has(name)) continue;
    seen.add(name);
    const found = packageFolder(name, from);
    cpSync(found, join(folder, name), { recursive: true, dereference: true });
    open.push(...dependenciesOf(found));
  }
}

function copyPackage(from, to, names) {
  mkdirSync(to, { recursive: true });
  for (const name of names) {
    if (existsSync(join(from, name))) cpSync(join(from, name), join(to, name), { recursive: true });
  }
}

function dependenciesOf(from) {
  return Object.keys(manifestOf(from).dependencies ?? {}).map((name) => ({ name, from }));
}

/** As Node finds it: in node_modules of a folder or of one above it. */
function packageFolder(name, from) {
  for (let folder = realpathSync(from); ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(found)) return found;
    if (folder === dirname(folder))
      throw new Error(`${name}, which ${from} needs, is not installed`);
  }
}

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { packageRoot } from '../support/lab/lab.ts';

/** Where scripts/containers/roots.mjs puts the root of this release of Debian. */
export const debianRoot = (release: string) =>
  join(packageRoot, 'node_modules/.cache/kprop/roots', release);

export interface Packages {
  readonly kprop: string;
  readonly kpropctl: string;
}

/** Builds the packages of one kind for this architecture, as `npm run package` does; their paths. */
export async function buildPackages(
  folder: string,
  o: { readonly version?: string; readonly kind?: 'deb' | 'rpm' } = {},
): Promise<Packages> {
  const script = join(packageRoot, 'scripts/package.mjs');
  const version = o.version === undefined ? [] : ['--version', o.version];
  const args = ['--arch', 'amd64', '--kind', o.kind ?? 'deb', '--out', folder, ...version];
  await promisify(execFile)(process.execPath, [script, ...args], { cwd: packageRoot });
  const path = (name: string) => {
    const file = readdirSync(folder).find((one) => new RegExp(`^${name}[-_]\\d`).test(one));
    if (file === undefined) throw new Error(`${folder} has no package ${name}`);
    return join(folder, file);
  };
  return { kprop: path('kprop'), kpropctl: path('kpropctl') };
}

import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { packageRoot } from '../support/lab/lab.ts';

export interface Packages {
  readonly kprop: string;
  readonly kpropctl: string;
}

/** Builds the packages of Debian for this architecture, as `npm run package` does; their paths. */
export async function buildPackages(
  folder: string,
  o: { readonly version?: string } = {},
): Promise<Packages> {
  const script = join(packageRoot, 'scripts/package.mjs');
  const version = o.version === undefined ? [] : ['--version', o.version];
  const args = ['--arch', 'amd64', '--kind', 'deb', '--out', folder, ...version];
  await promisify(execFile)(process.execPath, [script, ...args], { cwd: packageRoot });
  const path = (name: string) => {
    const file = readdirSync(folder).find((one) => one.startsWith(`${name}_`));
    if (file === undefined) throw new Error(`${folder} has no package ${name}`);
    return join(folder, file);
  };
  return { kprop: path('kprop'), kpropctl: path('kpropctl') };
}

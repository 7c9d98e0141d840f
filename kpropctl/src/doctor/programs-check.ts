import { closeSync, existsSync, openSync, readSync, realpathSync } from 'node:fs';

import type { Examined } from './examined.ts';
import { findProgram, rootPath } from './find-program.ts';
import { type Finding, failure, ok } from './finding.ts';
import { run } from './fix.ts';

/** Which programs a root shell finds, and whether those that kpropctl starts are there. */
export async function programsCheck({
  settings,
  environment,
}: Examined): Promise<readonly Finding[]> {
  const { kadminLocal, kdb5Util, proof } = settings;
  const searched = environment.PATH ?? rootPath;
  const needed = [...(proof === undefined ? [] : [kadminLocal]), kdb5Util];
  const missing = needed.filter((path) => !existsSync(path));
  if (missing.length > 0) {
    return missing.map((path) => {
      const found = findProgram(path.replace(/.*\//, ''), searched);
      const what = `${path} is not there, and kpropctl needs it`;
      const fix =
        found === undefined ? 'install the KDC of MIT Kerberos' : run(`ln -s ${found} ${path}`);
      return failure('here', 'programs', what, fix);
    });
  }
  const found = ['kprop', 'kpropd', 'kadmin.local'].map((name) => {
    const path = findProgram(name, searched);
    return path === undefined ? `no ${name}` : `${path} (${makeOf(path)})`;
  });
  return [ok('here', 'programs', `a shell finds ${found.join(', ')}`)];
}

/** MIT's are programs of the machine, ours a script. */
function makeOf(path: string): string {
  const head = new Uint8Array(2);
  const file = openSync(realpathSync(path), 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  return String.fromCharCode(...head) === '#!' ? 'ours' : "MIT's";
}

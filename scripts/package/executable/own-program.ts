import { basename, resolve } from 'node:path';

// In place of src/cli/own-program.ts.

/** The link under which this program was started; found by PATH, it is where the package puts it. */
export function ownProgram(): readonly [string] {
  const { argv0 } = process;
  return [argv0.includes('/') ? resolve(argv0) : `/usr/sbin/${basename(argv0)}`];
}

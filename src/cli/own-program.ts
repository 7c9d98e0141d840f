import { resolve } from 'node:path';

import { withoutInspector } from '../host/inspector.ts';

/**
 * The command that starts this very program again, to which its arguments are added: Node with its
 * flags, and the script. The packages for KDC hosts have scripts/package/executable/own-program.ts.
 */
export function ownProgram(): readonly [string, ...string[]] {
  const [, script = ''] = process.argv;
  return [
    process.execPath,
    ...new Set([...process.execArgv, ...withoutInspector]),
    resolve(script),
  ];
}

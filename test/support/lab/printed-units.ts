import { execFileSync } from 'node:child_process';

import { ourProgram } from './lab.ts';

const kinds = {
  'kpropd.service': [],
  'kpropd.socket': ['--socket'],
  'kpropd-inetd@.service': ['--inetd'],
  'kpropd-inetd.socket': ['--inetd', '--socket'],
} as const;

/** The units that kpropd --print-unit prints where the configuration is this, by name. */
export function printedUnits(
  env: NodeJS.ProcessEnv,
  ...more: readonly string[]
): Readonly<Record<keyof typeof kinds, string>> {
  const print = (flags: readonly string[]) =>
    execFileSync(process.execPath, [ourProgram('kpropd'), '--print-unit', ...flags, ...more], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
  return Object.fromEntries(
    Object.entries(kinds).map(([name, flags]) => [name, print(flags)]),
  ) as Record<keyof typeof kinds, string>;
}

import { realpathSync } from 'node:fs';

import { packageVersion } from '../host/version.ts';

/** What --version prints: also the path, because a host may have several programs of this name. */
export function versionLine(program: string): string {
  const [, script = ''] = process.argv;
  return `${program} ${packageVersion()} (${realpathSync(script)})\n`;
}

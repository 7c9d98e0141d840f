import { join } from 'node:path';

import type * as Koffi from 'koffi';

// In place of src/host/koffi.ts: the add-on alone, without the search for the file of this platform.

declare const koffiVersion: string;

/** What koffi's own JavaScript adds is deprecated. @throws any error */
export function requireKoffi(): typeof Koffi {
  const addon = { exports: {} as typeof Koffi };
  // A thread finds the library under the name under which it is loaded, even if the file is gone.
  process.dlopen(addon, process.argv0 === 'kpropd-applier' ? '/proc/self/fd/4' : koffiFile());
  if (addon.exports.version !== koffiVersion) {
    throw new Error(`${koffiFile()} is not koffi ${koffiVersion}`);
  }
  return addon.exports;
}

export function koffiFile(): string {
  return join(process.execPath, '../koffi.node');
}

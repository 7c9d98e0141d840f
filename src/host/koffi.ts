import { createRequire } from 'node:module';

import type * as Koffi from 'koffi';

// The packages for KDC hosts have scripts/package/executable/koffi.ts in its place.

/** The package koffi, which calls functions of C. @throws any error */
export function requireKoffi(): typeof Koffi {
  return createRequire(import.meta.url)('koffi') as typeof Koffi;
}

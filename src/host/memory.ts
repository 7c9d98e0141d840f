import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { libc } from './libc.ts';

/**
 * Lets the C library keep what is freed for the next use. Else it gives large buffers back to
 * the system each time, and the kernel clears them anew. For programs: it sets a policy of the whole process.
 */
export function keepFreedMemory(): void {
  try {
    const mallopt = libc().self.func('mallopt', 'int', ['int', 'int']);
    mallopt(M_MMAP_THRESHOLD, keptBytes);
    mallopt(M_TRIM_THRESHOLD, 2 * keptBytes);
  } catch {
    // musl has none, and whoever must have the C library says so.
  }
}

/**
 * Gives back to the system what a large propagation took and nobody uses any more: a collector that
 * nothing makes work, and a C library that keeps what was freed, would hold on to it for ever.
 * It stops the process for some milliseconds: for one that has nothing to do.
 */
export function releaseMemory(): void {
  // Node offers its collector to those who ask for it when they start it, or in this way.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  try {
    libc().self.func('malloc_trim', 'int', ['size_t'])(0);
  } catch {
    // musl has none, and keeps little.
  }
}

// mallopt(3), <malloc.h>
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
/** The most that glibc takes for the second of them on 64 bits. */
const keptBytes = 32 << 20;

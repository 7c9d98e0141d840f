import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { libc } from './libc.ts';

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

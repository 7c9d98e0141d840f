import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { libc } from './libc.ts';

/**
 * Makes the C library keep freed memory for the next use. Otherwise it returns each large buffer to
 * the system, and the kernel has to clear it anew. For programs only: it affects the whole process.
 */
export function keepFreedMemory(): void {
  try {
    const mallopt = libc().self.func('mallopt', 'int', ['int', 'int']);
    mallopt(M_MMAP_THRESHOLD, keptBytes);
    mallopt(M_TRIM_THRESHOLD, 2 * keptBytes);
  } catch {
    // musl has no mallopt; that the C library cannot be called is reported elsewhere.
  }
}

/**
 * Returns to the system the memory that a large propagation took: in an idle process the garbage
 * collector does not run by itself, and the C library keeps what was freed. It blocks the process
 * for some milliseconds, so call it when there is nothing to do.
 */
export function releaseMemory(): void {
  // The garbage collector can be called only if Node is started with this flag, or like this.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  try {
    libc().self.func('malloc_trim', 'int', ['size_t'])(0);
  } catch {
    // musl has no malloc_trim, and keeps little.
  }
}

// mallopt(3), <malloc.h>
const M_TRIM_THRESHOLD = -1;
const M_MMAP_THRESHOLD = -3;
/** The largest M_MMAP_THRESHOLD that glibc accepts on 64 bits. */
const keptBytes = 32 << 20;

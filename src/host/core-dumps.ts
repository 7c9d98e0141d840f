import { libc } from './libc.ts';

/** Keeps the memory of this process out of files that a crash would leave. @see setrlimit(2) */
export function noCoreDumps(): void {
  libc().self.func('setrlimit', 'int', ['int', 'uint8 *'])(RLIMIT_CORE, new Uint8Array(16));
}

// <sys/resource.h>
const RLIMIT_CORE = 4;

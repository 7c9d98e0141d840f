import { readFileSync } from 'node:fs';

/** Linux's default for a process. */
const defaultLimit = 1024;

/** How many descriptors this process may have open (RLIMIT_NOFILE, the soft limit). */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
    return soft === undefined ? defaultLimit : Number(soft);
  } catch {
    return defaultLimit;
  }
}

import { readFileSync } from 'node:fs';

/** What Linux gives a process unless somebody says otherwise. */
const usualLimit = 1024;

/** How many descriptors this process may have open (RLIMIT_NOFILE, the soft limit). */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    const soft = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1];
    if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
    return soft === undefined ? usualLimit : Number(soft);
  } catch {
    return usualLimit;
  }
}

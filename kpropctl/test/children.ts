import { readdirSync, readFileSync } from 'node:fs';

/** The processes that a process has started and that run this program. */
export function childrenRunning(parent: number, program: string): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => isChild(pid, parent, program)).map(Number);
}

function isChild(pid: string, parent: number, program: string): boolean {
  try {
    const found = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return Number(found) === parent && command.includes(program);
  } catch {
    // It has just ended.
    return false;
  }
}

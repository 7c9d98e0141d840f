import { writeFileSync } from 'node:fs';

/**
 * Gives this process the name of the program, under which pgrep, pidof and systemd look for it, and a
 * command line that begins with that name, as MIT's program has it.
 */
export function nameProcess(program: string, args: readonly string[]): void {
  process.title = [program, ...args].join(' ');
  try {
    // Node's title is no name of the process on Linux.
    writeFileSync('/proc/self/comm', program);
  } catch {
    // Without /proc nobody looks for it, either.
  }
}

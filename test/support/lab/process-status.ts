import { readdirSync, readFileSync } from 'node:fs';

/** Memory that a process has resident now. */
export function residentBytes(pid: number): number {
  return (statusField(`/proc/${pid}/status`, 'VmRSS') ?? Number.NaN) * 1024;
}

/** How often the threads of a process went to sleep so far: each time something had woken one. */
export function wakeUps(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const switches = threads.map(
    (thread) => statusField(`/proc/${pid}/task/${thread}/status`, 'voluntary_ctxt_switches') ?? 0,
  );
  return switches.reduce((sum, one) => sum + one, 0);
}

/** The most memory that it ever had resident. */
export function peakResidentBytes(pid: number): number {
  return (statusField(`/proc/${pid}/status`, 'VmHWM') ?? Number.NaN) * 1024;
}

/** A number of /proc/PID/status, undefined when the process has ended. */
export function statusField(path: string, name: string): number | undefined {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(textOf(path) ?? '')?.[1];
  return value === undefined ? undefined : Number(value);
}

export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // it has ended
  }
}

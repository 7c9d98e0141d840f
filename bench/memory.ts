import { readFileSync } from 'node:fs';

/** Watches a process of Linux and remembers the most memory that it ever had resident, in bytes. */
export function watchPeakMemory(pid: number): { stop(): number } {
  let peak = 0;
  const look = () => {
    try {
      const line = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      peak = Math.max(peak, Number(line?.[1] ?? 0) * 1024);
    } catch {
      // It has ended; the kernel's high-water mark of the last look stands.
    }
  };
  look();
  const timer = setInterval(look, 20);
  return {
    stop() {
      look();
      clearInterval(timer);
      return peak;
    },
  };
}

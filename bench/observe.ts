import { peakResidentBytes, textOf } from '../test/support/lab/process-status.ts';

export interface Observation {
  /** The most memory that it ever had resident. */
  readonly peakBytes: number;
  /** Time on a processor since the watch began: in its own code, and in the kernel. */
  readonly userSeconds: number;
  readonly systemSeconds: number;
}

/** Looking itself takes a processor from what it looks at: each time some 0.2 ms. */
const lookMillis = 20;
const ticksPerSecond = 100; // USER_HZ, the same on every Linux

/**
 * Watches a process of Linux, with what it forks of itself: MIT's kpropd receives in a child. It has
 * to look again and again: what a process used is gone with it, and what it used in its last
 * milliseconds is not seen.
 */
export function observe(pid: number): { stop(): Observation } {
  const before = cpuTicks(pid) ?? { user: 0, system: 0 };
  const ticks = new Map([[pid, before]]);
  let peakBytes = 0;
  const look = () => {
    for (const one of [pid, ...forksOf(pid)]) {
      const now = cpuTicks(one);
      if (now !== undefined) ticks.set(one, now);
      const highWaterBytes = peakResidentBytes(one);
      // NaN of one that has ended.
      if (highWaterBytes > peakBytes) peakBytes = highWaterBytes;
    }
  };
  look();
  const timer = setInterval(look, lookMillis);
  return {
    stop() {
      look();
      clearInterval(timer);
      const sum = (kind: 'user' | 'system') =>
        [...ticks.values()].reduce((total, one) => total + one[kind], -before[kind]);
      return {
        peakBytes,
        userSeconds: sum('user') / ticksPerSecond,
        systemSeconds: sum('system') / ticksPerSecond,
      };
    },
  };
}

/** Children that run the same program; a loader is another one. */
export function forksOf(pid: number): readonly number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`)?.trim();
  if (!children) return [];
  const name = textOf(`/proc/${pid}/comm`);
  return children
    .split(' ')
    .map(Number)
    .filter((one) => textOf(`/proc/${one}/comm`) === name);
}

function cpuTicks(pid: number): { user: number; system: number } | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  // The name of the program stands in parentheses and may contain anything.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  // A process that has ended and was not asked for yet still tells its times.
  return fields && { user: Number(fields[11]), system: Number(fields[12]) };
}

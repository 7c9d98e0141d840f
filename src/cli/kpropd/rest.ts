import { releaseMemory } from '../../host/memory.ts';

/**
 * How long after the last connection memory is given back to the system. It must be more than five
 * seconds: V8 shrinks its young generation, up to 32 MB, only if little was allocated in that time
 * (heap.cc, ReduceNewSpaceSize and CurrentAllocationThroughputInBytesPerMillisecond).
 */
const restMillis = 7000;

/**
 * Gives memory back to the system after a rest, and once more after another: the first time leaves some
 * of it when the machine is busy. What it returns begins the rest anew, so that many connections in a
 * row cost no more than the last.
 */
export function releaseAtRest(): () => void {
  let left = timesReleased;
  const timer = setTimeout(() => {
    releaseMemory();
    left -= 1;
    if (left > 0) timer.refresh();
  }, restMillis).unref();
  return () => {
    left = timesReleased;
    timer.refresh();
  };
}

const timesReleased = 2;

/** A timer, unless the limit is 0: without one. */
export function after(millis: number, act: () => void): NodeJS.Timeout | undefined {
  // Node takes a longer time for no time at all.
  return millis > 0 ? setTimeout(act, Math.min(millis, 2 ** 31 - 1)) : undefined;
}

/** A timer that acts once after this time; 0 means never, and gives no timer. */
export function timeoutAfter(millis: number, act: () => void): NodeJS.Timeout | undefined {
  // Node fires at once if the time does not fit into 31 bits.
  return millis > 0 ? setTimeout(act, Math.min(millis, 2 ** 31 - 1)) : undefined;
}

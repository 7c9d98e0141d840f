import { abortError } from '../errors/kprop-error.ts';

/**
 * The result of a step that takes no signal, such as a look-up. If the signal comes first, the step
 * still runs to its end, but its result is ignored. @throws aborted
 */
export async function untilAborted<T>(
  signal: AbortSignal | undefined,
  step: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return await step();
  if (signal.aborted) throw abortError(signal.reason);
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortError(signal.reason));
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([step(), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

import { abortError } from '../errors/kprop-error.ts';

/**
 * What a step gives that knows no signal of its own, such as a look-up, unless the signal comes
 * first: the step then goes on, unheard. @throws aborted
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

import { setTimeout as sleep } from 'node:timers/promises';

import { isKpropError } from '../errors/kprop-error.ts';

export interface RetryOptions {
  /** No attempt begins later than this after the first one. */
  readonly withinMillis: number;
  /** The pause after the first attempt, which doubles each time. 5 s unless given. */
  readonly firstMillis?: number | undefined;
  /** The longest pause. Two minutes unless given. */
  readonly mostMillis?: number | undefined;
  /** Ends a pause; the attempt itself must be given the signal by the caller. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each pause. */
  readonly onRetry?: ((failure: FailedAttempt) => void) | undefined;
}

/** An attempt that failed and that is tried again. */
export interface FailedAttempt {
  /** From 1. */
  readonly attempt: number;
  readonly error: unknown;
  readonly pauseMillis: number;
}

/**
 * The result of an attempt that succeeds, such as one of propagate(). After an error that may mend itself
 * (its `retry`, or any of the network) it is tried again, with pauses that grow and are never quite the
 * same, so that many replicas do not come back together.
 * @throws what the last attempt threw
 */
export async function retry<T>(
  attempt: (number: number) => Promise<T>,
  o: RetryOptions,
): Promise<T> {
  const { withinMillis, firstMillis = 5_000, mostMillis = 120_000, signal } = o;
  const until = performance.now() + withinMillis;
  for (let number = 1; ; number += 1) {
    try {
      return await attempt(number);
    } catch (error) {
      const pauseMillis =
        Math.min(mostMillis, firstMillis * 2 ** (number - 1)) * (0.75 + Math.random() / 2);
      const again = mayMendItself(error) && performance.now() + pauseMillis < until;
      if (!again || signal?.aborted) throw error;
      o.onRetry?.({ attempt: number, error, pauseMillis });
      await sleep(pauseMillis, undefined, { signal }).catch(() => undefined);
      if (signal?.aborted) throw error;
    }
  }
}

function mayMendItself(error: unknown): boolean {
  return isKpropError(error) && (error.retry || error.fault === 'network');
}

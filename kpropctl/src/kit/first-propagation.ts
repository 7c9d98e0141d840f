import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { runStart, type Start } from './services.ts';

const pauseMillis = 500;
/** kdb5_util gives the database its name a moment before the last page is written. */
const startTries = 20;

/**
 * Starts krb5kdc as soon as there is a database: it cannot start before. True when it runs; otherwise
 * why not.
 */
export async function startAfterFirst(
  databases: readonly string[],
  start: Start,
  o: { readonly waitMillis: number; readonly signal: AbortSignal },
): Promise<true | string> {
  const until = performance.now() + o.waitMillis;
  while (!databases.some((path) => existsSync(path))) {
    if (o.signal.aborted) return 'interrupted before the first propagation';
    if (performance.now() >= until) return 'no propagation has come yet';
    await pause(o.signal);
  }
  let said: string | undefined;
  for (let tries = 0; tries < startTries && !o.signal.aborted; tries += 1) {
    said = await runStart(start);
    if (said === undefined) return true;
    await pause(o.signal);
  }
  return `krb5kdc does not start: ${said ?? 'interrupted'}`;
}

function pause(signal: AbortSignal): Promise<void> {
  return sleep(pauseMillis, undefined, { signal }).catch(() => undefined);
}

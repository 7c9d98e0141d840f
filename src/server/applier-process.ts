import { KpropError } from '../errors/kprop-error.ts';
import { noCoreDumps } from '../host/core-dumps.ts';
import { ReplicaDatabase } from '../host/libkdb5.ts';
import type { ApplierAnswer, ApplierRequest } from './applier.ts';

// A process of its own: MIT's library blocks while it waits for a lock, and ends its process if the
// database holds what it does not expect. Started by applier.ts.

serveParent();

function serveParent(): void {
  let database: ReplicaDatabase | undefined;
  // Its memory has keys of principals, if only encrypted ones.
  noCoreDumps();
  // Whoever ends kpropd may send the signal to its whole group; an update under way is done first.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);
  process.on('message', (request: ApplierRequest) => {
    process.send?.(
      answerOf(() => {
        if (request.ask === 'open') database = ReplicaDatabase.open(request.options);
        if (database === undefined) throw new Error('the first request opens the database');
        return request.ask === 'open' ? false : done(database, request);
      }),
    );
  });
  process.on('disconnect', () => process.exit());
}

/** Whether something is missing. */
function done(
  database: ReplicaDatabase,
  request: Exclude<ApplierRequest, { readonly ask: 'open' }>,
): boolean {
  if (request.ask === 'look-up') return request.names.some((name) => !database.has(name));
  if (request.ask === 'replay') database.replay(request.result);
  else database.reset();
  return false;
}

function answerOf(work: () => boolean): ApplierAnswer {
  try {
    return { done: true, missing: work() };
  } catch (error) {
    if (!(error instanceof KpropError)) throw error;
    const { code, detail } = error as KpropError<
      'iprop.not-opened' | 'iprop.not-applied' | 'iprop.no-library'
    >;
    return { done: false, code, reason: detail.reason };
  }
}

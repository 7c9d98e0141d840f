import type { LoadGuard } from './load-guard.ts';
import type { LoadJob, LoadWay } from './load-way.ts';
import type { LoadRun } from './loader.ts';

/** Runs a loader on a file and resolves when the database is live. */
export type Loader = (path: string, run: LoadRun) => Promise<void>;

/**
 * The way that waits until the dump is complete, and then loads its file. `ready` is awaited before the
 * live database is looked at.
 */
export function fileLoad(
  loader: Loader,
  guard: LoadGuard,
  { signal, onEvent }: LoadJob,
  ready: (signal: AbortSignal) => Promise<void> = async () => undefined,
): LoadWay {
  const run = {
    signal,
    onStart: (pid: number) => onEvent({ kind: 'loader-started', pid }),
    onOutput: (text: string, to: 'stdout' | 'stderr') =>
      onEvent({ kind: 'loader-output', text, to }),
  };
  return {
    natively: false,
    grow: () => undefined,
    giveWay: async () => undefined,
    commit: async ({ path, kind }) => {
      await ready(signal);
      await guard.protect(path);
      try {
        await loader(path, { kind, ...run });
      } catch (error) {
        await guard.recover();
        throw error;
      }
      return guard.confirm(path);
    },
    abandon: async () => undefined,
  };
}

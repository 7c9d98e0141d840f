import { KpropError, wordsOf } from '../../errors/kprop-error.ts';
import type { LoaderFunction } from '../options.ts';
import type { LoadJob, LoadWay } from './load-way.ts';

/** The way in which a function of the caller's loads a dump that is complete. */
export function functionLoad(loader: LoaderFunction, { client, signal }: LoadJob): LoadWay {
  return {
    natively: false,
    grow: () => undefined,
    giveWay: async () => undefined,
    commit: async ({ path, kind, bytes }) => {
      try {
        await loader({ path, kind, bytes, client, signal });
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        if (cause instanceof KpropError) throw cause;
        throw new KpropError('caller.loader', { reason: oneLine(wordsOf(cause)) }, { cause });
      }
    },
    abandon: async () => undefined,
  };
}

/** The sender prints it as one line. */
function oneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, longestReason);
}

const longestReason = 500;

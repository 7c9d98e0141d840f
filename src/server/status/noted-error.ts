import { KpropError } from '../../errors/kprop-error.ts';

/** A failure as the status file has it. */
export interface NotedError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly at: string;
}

export function notedError(error: unknown, at: string): NotedError {
  if (error instanceof KpropError) {
    return { code: error.code, message: error.message, remedy: error.remedy, at };
  }
  const message = error instanceof Error ? error.message : `${error}`;
  return { code: 'unknown', message, remedy: '', at };
}

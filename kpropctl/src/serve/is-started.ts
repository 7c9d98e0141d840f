import type { ChildProcess } from 'node:child_process';

/** Whether there is a process: a fork that fails gives none, no channel and no exit, but an error. */
export const isStarted = ({ pid }: ChildProcess): boolean => pid !== undefined;

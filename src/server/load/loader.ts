import { type ChildProcess, spawn } from 'node:child_process';
import { resolve as resolvePath } from 'node:path';

import { errnoOf } from '../../errors/com-err.ts';
import { KpropError } from '../../errors/kprop-error.ts';
import type { DumpKind } from '../../kdb/dump/header.ts';

export interface LoaderOptions {
  /** Path of kdb5_util or of a program that replaces it; PATH is not searched. */
  readonly path: string;
  readonly realm: string;
  /** `-d`: another database than the configured one. */
  readonly database?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface LoadRun {
  readonly kind: DumpKind;
  /** Ends the load: the program and all that it started are killed, and nothing becomes live. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: ((pid: number) => void) | undefined;
  /** Gets what the program prints, as it prints it. */
  readonly onOutput?: ((text: string, to: 'stdout' | 'stderr') => void) | undefined;
}

/** A dump that the program reads from a pipe. */
export interface PipedDump {
  readonly readEnd: number;
  /** The file that the program's messages should name instead of its standard input. */
  name(): string;
}

const standardInput = '/dev/stdin';

/** Enough for kdb5_util's messages; a program that prints without end must not fill the memory. */
const wordsLimitBytes = 2048;

/**
 * Loads a dump with `kdb5_util -r REALM load [-d DB] [-i] FILE` and resolves when it is live. From a
 * pipe, FILE is /dev/stdin, and the caller closes its own copy of the reading end.
 * @throws loader.missing, loader.failed, loader.killed; the signal's reason if it was aborted
 */
export function loadDump(dump: string | PipedDump, o: LoaderOptions, run: LoadRun): Promise<void> {
  const { path } = o;
  const piped = typeof dump === 'string' ? undefined : dump;
  const dumpPath = typeof dump === 'string' ? dump : standardInput;
  const { signal } = run;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const missing = (cause: unknown) =>
      reject(new KpropError('loader.missing', { path, errno: errnoOf(cause) }, { cause }));
    let loader: ChildProcess;
    try {
      // A path without a slash would be searched for in PATH.
      loader = spawn(resolvePath(path), loaderArguments(dumpPath, run.kind, o), {
        argv0: path,
        env: { ...o.environment },
        stdio: [piped?.readEnd ?? 'ignore', 'pipe', 'pipe'],
        // A process group of its own, so that it can be killed with all that it started.
        detached: true,
      });
    } catch (cause) {
      // Node throws some errors of exec, such as ENOTDIR, and emits the others.
      return missing(cause);
    }
    const named = (text: string) =>
      piped === undefined ? text : text.replaceAll(standardInput, piped.name());
    const words: Buffer[] = [];
    let wordsBytes = 0;
    const listen = (chunk: Buffer, to: 'stdout' | 'stderr') => {
      if (wordsBytes < wordsLimitBytes) words.push(chunk.subarray(0, wordsLimitBytes - wordsBytes));
      wordsBytes += chunk.length;
      if (wordsBytes <= wordsLimitBytes) run.onOutput?.(named(chunk.toString('utf8')), to);
    };
    // They are undefined if the descriptors ran out, which "error" reports.
    const outputs = [loader.stdout, loader.stderr];
    loader.stdout?.on('data', (chunk: Buffer) => listen(chunk, 'stdout'));
    loader.stderr?.on('data', (chunk: Buffer) => listen(chunk, 'stderr'));
    const kill = () => killGroup(loader.pid);
    signal?.addEventListener('abort', kill, { once: true });
    const settle = () => signal?.removeEventListener('abort', kill);
    loader.once('spawn', () => run.onStart?.(loader.pid as number));
    loader.once('error', (cause) => {
      settle();
      missing(cause);
    });
    // "exit", not "close": a grandchild may hold the pipes open long after the end.
    loader.once('exit', (status, killedBy) => {
      settle();
      for (const output of outputs) output?.destroy();
      // A process left of its group must not take the end of the pipe for the end of the dump.
      if (piped !== undefined && status !== 0) killGroup(loader.pid);
      const stderr = onOneLine(named(Buffer.concat(words).toString('utf8')));
      // A successful load is live, even if it was told to stop a moment later.
      if (status === 0) resolve();
      else if (signal?.aborted) reject(signal.reason);
      else if (killedBy !== null) {
        reject(new KpropError('loader.killed', { path, signal: killedBy, stderr }));
      } else {
        reject(new KpropError('loader.failed', { path, status: status ?? 1, stderr }));
      }
    });
  });
}

function loaderArguments(dumpPath: string, kind: DumpKind, o: LoaderOptions): readonly string[] {
  return [
    '-r',
    o.realm,
    'load',
    ...(o.database === undefined ? [] : ['-d', o.database]),
    ...(kind === 'resync' ? ['-i'] : []),
    dumpPath,
  ];
}

/** SIGKILL only: after a milder signal it could still make half a database live. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has already ended.
  }
}

function onOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

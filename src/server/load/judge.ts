import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open, stat, unlink, writeFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { packageVersion } from '../../host/version.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import type { VerifyMode } from '../options.ts';
import { type Judgement, readState, writeState } from '../spool/state-file.ts';
import type { LoaderOptions } from './loader.ts';

export type Verdict =
  | { readonly is: 'same' }
  | { readonly is: 'different'; readonly reason: string }
  /** kdb5_util could not be run. */
  | { readonly is: 'unable'; readonly reason: string };

export interface JudgeOptions {
  readonly mode: VerifyMode;
  readonly loader: LoaderOptions;
  /** The state file of the replica. */
  readonly state: string;
  readonly ambient: Ambient;
}

const loadsLimit = 100;
const daysLimit = 30;

/** MIT's own judgement of a database before it becomes live: does kdb5_util dump what was received? */
export class Judge {
  readonly #o: JudgeOptions;

  constructor(o: JudgeOptions) {
    this.#o = o;
  }

  /**
   * Whether a database is to be judged: the first of this host, of this version, of this kdb5_util and
   * of this kind of dump; and one in a hundred, or in thirty days.
   */
  async isDue(header: string): Promise<boolean> {
    if (this.#o.mode !== 'first') return this.#o.mode === 'always';
    const last = await this.#last();
    if (last === undefined) return true;
    const age = this.#nowMillis() - Date.parse(last.at);
    const fresh = age >= 0 && age < daysLimit * 86_400_000 && last.loads < loadsLimit;
    const same = last.version === packageVersion() && last.header === header;
    return !fresh || !same || last.program !== (await this.#program());
  }

  /**
   * Lets kdb5_util dump the database at a path, and compares that with the dump that was received.
   * @throws errno, the signal's reason
   */
  async judge(database: string, dump: string, signal: AbortSignal): Promise<Verdict> {
    const { loader } = this.#o;
    const beside = ['.ok', '.kadm5.lock'].map((ending) => database + ending);
    const file = await open(dump, 'r');
    try {
      const headerBytes = await headerBytesOf(file);
      for (const path of beside) await writeFile(path, '', { mode: 0o600 });
      const args = ['-r', loader.realm, '-d', database, 'dump', '-'];
      const child = spawn(resolvePath(loader.path), args, {
        argv0: loader.path,
        env: { ...loader.environment },
        stdio: ['ignore', 'pipe', 'ignore'],
        signal,
      });
      const failed = once(child, 'error').then(([error]) => unable(error));
      // At once: Node drops what nobody reads of a program that has ended.
      const compared = compare(child.stdout, file, headerBytes);
      compared.catch(() => undefined);
      // A program that cannot be started closes its output, too, but only afterwards.
      const verdict = await Promise.race([failed, compared]);
      child.kill('SIGKILL');
      signal.throwIfAborted();
      return verdict;
    } finally {
      await file.close();
      for (const path of beside) await unlink(path).catch(() => undefined);
    }
  }

  /** Notes that a database became live, after a judgement or not. @throws spool.state */
  async note(header: string, { judged }: { readonly judged: boolean }): Promise<void> {
    const before = await readState(this.#o.state);
    const last = before.judged;
    if (!judged && last === undefined) return;
    const now: Judgement = judged
      ? {
          version: packageVersion(),
          program: await this.#program(),
          header,
          at: new Date(this.#nowMillis()).toISOString(),
          loads: 0,
        }
      : { ...(last as Judgement), loads: (last?.loads ?? 0) + 1 };
    await writeState(this.#o.state, { ...before, judged: now });
  }

  #nowMillis(): number {
    return this.#o.ambient.nowMicros() / 1000;
  }

  async #last(): Promise<Judgement | undefined> {
    return (await readState(this.#o.state).catch(() => undefined))?.judged;
  }

  async #program(): Promise<string> {
    const path = resolvePath(this.#o.loader.path);
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? path : `${path} ${found.size} ${found.mtime.toISOString()}`;
  }
}

/** How long the first line is, with its LF. */
async function headerBytesOf(dump: FileHandle): Promise<number> {
  const head = Buffer.alloc(longestHeaderBytes);
  const { bytesRead } = await dump.read(head, 0, head.length, 0);
  return head.subarray(0, bytesRead).indexOf(LF) + 1;
}

/** Whether what a program prints is a dump, but for its first line. */
async function compare(
  output: AsyncIterable<Buffer>,
  dump: FileHandle,
  headerBytes: number,
): Promise<Verdict> {
  let piece = Buffer.alloc(64 << 10);
  let position = headerBytes;
  // kdb5_util writes a plain dump, whose first line is another one than that of a resync dump.
  let inHeader = true;
  for await (const chunk of output) {
    const from = inHeader ? chunk.indexOf(LF) + 1 : 0;
    if (inHeader && from === 0) continue;
    inHeader = false;
    const said = chunk.subarray(from);
    if (said.length > piece.length) piece = Buffer.alloc(said.length);
    const { bytesRead } = await dump.read(piece, 0, said.length, position);
    if (Buffer.compare(piece.subarray(0, bytesRead), said) !== 0) {
      return { is: 'different', reason: `within ${said.length} bytes from byte ${position} on` };
    }
    position += said.length;
  }
  const { size } = await dump.stat();
  return position === size
    ? { is: 'same' }
    : { is: 'different', reason: `it ends after ${position} of ${size} bytes` };
}

function unable(error: unknown): Verdict {
  return { is: 'unable', reason: errnoText(errnoOf(error)) };
}

const longestHeaderBytes = 256;
const LF = 0x0a;

import { constants, open } from 'node:fs/promises';

import { errnoOf } from '../../errors/com-err.ts';
import { replaceOwnFile } from '../../host/own-file.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import type { PollState } from '../poll/poll-state.ts';
import { Queue } from '../queue.ts';
import { isoMicros } from '../spool/state-file.ts';
import type { FullStatus } from './full-status.ts';

/**
 * How a replica stands, as its file beside the received dump has it. Times are ISO 8601, UTC.
 * @see schemas/replica-status-1.json
 */
export interface ReplicaStatus {
  readonly version: 1;
  /** When the file was written. */
  readonly at: string;
  /** Of full propagations; absent until one was permitted. */
  readonly full?: FullStatus | undefined;
  /** Of incremental propagation; absent where that is not enabled. */
  readonly incremental?: PollState | undefined;
}

type Sections = Pick<ReplicaStatus, 'full' | 'incremental'>;

export interface StatusFileOptions {
  readonly path: string;
  readonly ambient: Ambient;
  /** Told once, until the file can be written again. */
  readonly onTrouble: (error: unknown) => void;
}

/** Keeps the file up to date; JSON, replaced as a whole. That it cannot be written stops nothing. */
export class StatusFile {
  readonly #o: StatusFileOptions;
  readonly #queue = new Queue();
  /** What the file has. */
  #sections: Sections | undefined;
  #isTroubled = false;

  constructor(o: StatusFileOptions) {
    this.#o = o;
  }

  /** Writes a section anew; the function gets what the file has. Never rejects. */
  note(change: (before: Sections) => Sections): Promise<void> {
    return this.#queue.run(async () => {
      const { path, ambient, onTrouble } = this.#o;
      this.#sections ??= await readSections(path);
      this.#sections = { ...this.#sections, ...change(this.#sections) };
      const at = isoMicros(ambient.nowMicros());
      const status: ReplicaStatus = { version: 1, at, ...this.#sections };
      try {
        await replaceOwnFile(path, `${JSON.stringify(status, undefined, 2)}\n`);
        this.#isTroubled = false;
      } catch (error) {
        // Said once, and not every two minutes. Without its folder nothing can be received, which is said anyway.
        if (!this.#isTroubled && errnoOf(error) !== 'ENOENT') onTrouble(error);
        this.#isTroubled = true;
      }
    });
  }

  /** Resolves when all is written. */
  settled(): Promise<void> {
    return this.#queue.run(async () => undefined);
  }
}

/** What a process has left; nothing if that is not a file of ours. */
export async function readSections(path: string): Promise<Sections> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch(() => undefined);
  try {
    const stats = await file?.stat();
    if (stats?.uid !== process.geteuid?.() || stats === undefined || stats.size > limitBytes) {
      return {};
    }
    const status: Partial<ReplicaStatus> | null = JSON.parse((await file?.readFile('utf8')) ?? '');
    if (status?.version !== 1) return {};
    const { full, incremental } = status;
    return { full, incremental };
  } catch {
    return {};
  } finally {
    await file?.close();
  }
}

const limitBytes = 64 * 1024;

import { KpropError } from '../../errors/kprop-error.ts';
import { replaceOwnFile } from '../../host/own-file.ts';
import type { Ambient } from '../../protocol/ambient.ts';
import type { LastUpdate } from '../../protocol/iprop/updates.ts';
import { isoMicros } from '../spool/state-file.ts';

/**
 * How a replica's incremental propagation stands, as its file has it: JSON, replaced as a whole after
 * every poll. Times are ISO 8601, UTC. @see docs/incremental.md
 */
export interface PollState {
  readonly version: 1;
  /** The primary that is polled, as admin_server says. */
  readonly primary: string;
  readonly pollSeconds: number;
  /** The last update that the database has: its number, and the primary's time of it. */
  readonly serial: number;
  readonly updated: string;
  /** When this file was written. */
  readonly at: string;
  /** When the replica was last known to have all updates; absent if it never was. */
  readonly inStep?: string | undefined;
  /** Seconds from then until `at`: how old the replica's data may be. */
  readonly lagSeconds?: number | undefined;
  /** Updates that this process has applied. */
  readonly applied: number;
  /** Whether a full resync is awaited. */
  readonly resyncing: boolean;
  /** What the last poll failed with; absent if it succeeded. */
  readonly lastError?:
    | {
        readonly code: string;
        readonly message: string;
        readonly remedy: string;
        readonly at: string;
      }
    | undefined;
}

export interface PollStateOptions {
  readonly path: string;
  readonly primary: string;
  readonly pollSeconds: number;
  readonly ambient: Ambient;
  readonly onTrouble: (error: unknown) => void;
}

/** Keeps the file up to date. */
export class PollStateFile {
  readonly #o: PollStateOptions;
  #inStepMicros: number | undefined;
  #lastError: PollState['lastError'];
  #applied = 0;
  #isResyncing = false;
  #troubled = false;

  constructor(o: PollStateOptions) {
    this.#o = o;
  }

  noteInStep(): void {
    this.#inStepMicros = this.#o.ambient.nowMicros();
    this.#isResyncing = false;
    this.#lastError = undefined;
  }

  noteApplied(count: number): void {
    this.#applied += count;
  }

  noteResync(): void {
    this.#isResyncing = true;
    this.#lastError = undefined;
  }

  noteError(error: unknown): void {
    const at = isoMicros(this.#o.ambient.nowMicros());
    this.#lastError =
      error instanceof KpropError
        ? { code: error.code, message: error.message, remedy: error.remedy, at }
        : {
            code: 'unknown',
            message: error instanceof Error ? error.message : `${error}`,
            remedy: '',
            at,
          };
  }

  async write(last: LastUpdate): Promise<void> {
    const { path, primary, pollSeconds, ambient, onTrouble } = this.#o;
    const now = ambient.nowMicros();
    const inStep = this.#inStepMicros;
    const state: PollState = {
      version: 1,
      primary,
      pollSeconds,
      serial: last.serial,
      updated: isoMicros(last.seconds * 1_000_000 + last.micros),
      at: isoMicros(now),
      inStep: inStep === undefined ? undefined : isoMicros(inStep),
      lagSeconds: inStep === undefined ? undefined : Math.round((now - inStep) / 1_000_000),
      applied: this.#applied,
      resyncing: this.#isResyncing,
      lastError: this.#lastError,
    };
    try {
      await replaceOwnFile(path, `${JSON.stringify(state, undefined, 2)}\n`);
      this.#troubled = false;
    } catch (error) {
      // Said once, and not every two minutes.
      if (!this.#troubled) onTrouble(error);
      this.#troubled = true;
    }
  }
}

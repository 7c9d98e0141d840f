import type { Ambient } from '../../protocol/ambient.ts';
import type { LastUpdate } from '../../protocol/iprop/updates.ts';
import { isoMicros } from '../spool/state-file.ts';
import { type NotedError, notedError } from '../status/noted-error.ts';

/**
 * How a replica's incremental propagation stands, as the status file has it after every poll. Times are
 * ISO 8601, UTC. @see docs/status.md
 */
export interface PollState {
  /** The primary that is polled, as admin_server says. */
  readonly primary: string;
  readonly pollSeconds: number;
  /** The last update that the database has: its number, and the primary's time of it. */
  readonly serial: number;
  readonly updated: string;
  /** When this was noted. */
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
  readonly lastError?: NotedError | undefined;
}

export interface PollStateOptions {
  /** Never rejects. */
  readonly write: (state: PollState) => Promise<void>;
  readonly primary: string;
  readonly pollSeconds: number;
  readonly ambient: Ambient;
}

/** Keeps that section of the file up to date. */
export class PollStateFile {
  readonly #o: PollStateOptions;
  #inStepMicros: number | undefined;
  #lastError: PollState['lastError'];
  #applied = 0;
  #isResyncing = false;

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
    this.#lastError = notedError(error, isoMicros(this.#o.ambient.nowMicros()));
  }

  async write(last: LastUpdate): Promise<void> {
    const { primary, pollSeconds, ambient } = this.#o;
    const now = ambient.nowMicros();
    const inStep = this.#inStepMicros;
    const state: PollState = {
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
    await this.#o.write(state);
  }
}

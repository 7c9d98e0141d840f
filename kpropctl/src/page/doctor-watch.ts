import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Settings } from '../config/settings.ts';
import type { Diagnosis } from '../doctor/finding.ts';
import type { Board } from './board.ts';
import type { Live } from './link.ts';

export interface DoctorWatchOptions {
  readonly board: Board;
  /** Whether somebody looks at the page. */
  readonly isWatched: () => boolean;
  readonly diagnose: (signal: AbortSignal) => Promise<Diagnosis>;
  readonly onChange: () => void;
}

/**
 * Has doctor look while somebody looks at the page: now and then, and after a run that has failed. Never
 * during a run: one that begins ends it.
 */
export class DoctorWatch {
  readonly #o: DoctorWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #diagnosis: Diagnosis | null = null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isRunning = false;
  /** Whether a run has ended since it looked. */
  #isOutdated = false;
  #stop: AbortController | undefined;

  constructor(o: DoctorWatchOptions) {
    this.#o = o;
    this.#timer = setInterval(() => this.consider(), considerMillis);
  }

  /** What the daemon is doing. */
  live({ run }: Live): void {
    const isRunning = run !== null;
    if (isRunning) this.#stop?.abort();
    if (this.#isRunning && !isRunning) this.#isOutdated = true;
    this.#isRunning = isRunning;
    this.consider();
  }

  /** Begins, if it is time. */
  consider(): void {
    const { isWatched } = this.#o;
    if (this.#isRunning || this.#stop !== undefined || !isWatched()) return;
    const age = performance.now() - this.#lookedAt;
    if (age > (this.#isWorthwhile() ? soonMillis : laterMillis)) void this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop?.abort();
  }

  /** Whether what it found may have changed: something was wrong, and a run has ended since. */
  #isWorthwhile(): boolean {
    const { replicas } = this.#o.board.view().status;
    const isWrong = replicas.some(({ state }) => state === 'failing' || state === 'behind');
    return this.#isOutdated && (isWrong || this.#diagnosis?.exit !== 0);
  }

  async #look(): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    this.#show(true, null);
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(longestMillis)]);
    let trouble: string | null = null;
    try {
      this.#diagnosis = await this.#o.diagnose(signal);
      this.#lookedAt = performance.now();
      this.#isOutdated = false;
    } catch (error) {
      // A run has begun: it looks again when that one has ended.
      if (!stop.signal.aborted) {
        this.#lookedAt = performance.now();
        trouble = signal.aborted
          ? `doctor did not end within ${longestMillis / 1000} s: run kpropctl doctor`
          : `doctor could not look: ${(error as Error).message}`;
      }
    }
    this.#stop = undefined;
    this.#show(false, trouble);
  }

  #show(isLooking: boolean, trouble: string | null): void {
    this.#o.board.showDoctor({ diagnosis: this.#diagnosis, isLooking, trouble });
    this.#o.onChange();
  }
}

/** kpropctl doctor, as a program of its own: whatever it waits for, it can be ended. */
export function diagnoseByProgram(
  { file }: Settings,
  environment: NodeJS.ProcessEnv,
): (signal: AbortSignal) => Promise<Diagnosis> {
  const program = fileURLToPath(new URL('../main.js', import.meta.url));
  const args = [program, 'doctor', '--json', ...(file === undefined ? [] : ['--config', file])];
  return (signal) =>
    new Promise((resolve, reject) => {
      const o = { env: environment, signal, killSignal: 'SIGKILL', maxBuffer: 4 << 20 } as const;
      execFile(process.execPath, args, o, (error, stdout, stderr) => {
        try {
          // It says by its exit status what it found.
          resolve(diagnosisIn(stdout));
        } catch {
          reject(new Error(stderr.trim() || error?.message || 'it said nothing'));
        }
      });
    });
}

function diagnosisIn(json: string): Diagnosis {
  const diagnosis = JSON.parse(json) as Diagnosis;
  if (!Array.isArray(diagnosis.findings)) throw new Error('not a diagnosis');
  return diagnosis;
}

const considerMillis = 5_000;
const soonMillis = 30_000;
const laterMillis = 600_000;
const longestMillis = 60_000;

/** Counts how long each phase of a propagation takes, by its word. */
export class PhaseClock {
  readonly #millis = new Map<string, number>();
  #phase: string | undefined;
  #since = 0;

  enter(phase: string, now = performance.now()): void {
    this.#add(now);
    this.#phase = phase;
    this.#since = now;
  }

  /** Whole milliseconds, by phase; the last phase ends now. */
  end(now = performance.now()): Readonly<Record<string, number>> {
    this.#add(now);
    this.#phase = undefined;
    return Object.fromEntries(
      [...this.#millis].map(([name, millis]) => [name, Math.round(millis)]),
    );
  }

  #add(now: number): void {
    if (this.#phase === undefined) return;
    this.#millis.set(this.#phase, (this.#millis.get(this.#phase) ?? 0) + now - this.#since);
  }
}

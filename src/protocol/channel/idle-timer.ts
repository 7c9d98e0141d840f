/**
 * Calls back when nothing has happened for a time. It keeps one timer and restarts it: thousands of
 * short waits a second do not make a timer each.
 */
export class IdleTimer {
  readonly #onIdle: (millis: number) => void;
  #millis = 0;
  #capMillis = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(onIdle: (millis: number) => void) {
    this.#onIdle = onIdle;
  }

  /** Stops it, and sets the limit for later restarts; 0 is no limit. */
  set(millis: number): void {
    this.stop();
    this.#millis = millis;
  }

  /** Sets a limit above which no other counts, now or later. If the timer runs, it restarts. */
  cap(millis: number): void {
    this.#capMillis = millis;
    if (this.#timer === undefined) return;
    this.stop();
    this.restart();
  }

  /** Starts it, or starts it again because something has happened. */
  restart(): void {
    const millis = Math.min(this.#millis || Number.POSITIVE_INFINITY, this.#capMillis);
    if (millis === Number.POSITIVE_INFINITY) return;
    // Node would turn a longer time into a millisecond.
    this.#timer ??= setTimeout(() => this.#onIdle(millis), Math.min(millis, 2 ** 31 - 1));
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * Tells when nothing has happened for so long. It is made once and wound up again each time: thousands
 * of short waits a second cost no timer each.
 */
export class IdleTimer {
  readonly #onIdle: (millis: number) => void;
  #millis = 0;
  #capMillis = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(onIdle: (millis: number) => void) {
    this.#onIdle = onIdle;
  }

  /** Stops it, and sets how long is too long from the next `wind` on; 0 is never. */
  set(millis: number): void {
    this.stop();
    this.#millis = millis;
  }

  /** From now on less is too long already, whatever was set or will be: it begins anew if it runs. */
  cap(millis: number): void {
    this.#capMillis = millis;
    if (this.#timer === undefined) return;
    this.stop();
    this.wind();
  }

  /** Something has happened: it begins anew. */
  wind(): void {
    const millis = Math.min(this.#millis || Number.POSITIVE_INFINITY, this.#capMillis);
    if (millis === Number.POSITIVE_INFINITY) return;
    // Node takes a longer time for no time at all.
    this.#timer ??= setTimeout(() => this.#onIdle(millis), Math.min(millis, 2 ** 31 - 1));
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

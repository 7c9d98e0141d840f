/**
 * Tells when nothing has happened for so long. It is made once and wound up again each time: thousands
 * of short waits a second cost no timer each.
 */
export class IdleTimer {
  readonly #onIdle: (millis: number) => void;
  #millis = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(onIdle: (millis: number) => void) {
    this.#onIdle = onIdle;
  }

  /** Stops it, and sets how long is too long from the next `wind` on; 0 is never. */
  set(millis: number): void {
    this.stop();
    this.#millis = millis;
  }

  /** Something has happened: it begins anew. */
  wind(): void {
    if (this.#millis === 0) return;
    this.#timer ??= setTimeout(() => this.#onIdle(this.#millis), this.#millis);
    this.#timer.refresh();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** What became of a line: it is sent; there is no room for it now; or there is no reader. */
export type Delivery = 'taken' | 'full' | 'absent';

export interface OutletOptions {
  /** Sends a line without waiting. */
  send(line: string): Delivery;
  /** The line that says how many were lost, sent once there is room again. */
  lossLine(count: number): string;
}

/**
 * Sends lines to a reader that may stop reading. Writing never waits: while the reader is slow, a
 * bounded number of lines is kept; after that, lines are dropped and counted, and the reader is told.
 */
export class Outlet {
  readonly #options: OutletOptions;
  #waiting: string[] = [];
  #waitingChars = 0;
  #lost = 0;
  #tries = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: OutletOptions) {
    this.#options = options;
  }

  /** Sends the line at once if there is room, else keeps or drops it. */
  write(line: string): void {
    if (this.#timer === undefined) this.flush();
    if (this.#waitingChars + line.length > waitingCharsLimit) {
      this.#lost += 1;
    } else {
      this.#waiting.push(line);
      this.#waitingChars += line.length;
    }
    if (this.#timer === undefined) this.flush();
  }

  /** Sends what there is room for now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let present = true;
    for (let [line] = this.#waiting; line !== undefined; [line] = this.#waiting) {
      const delivery = this.#options.send(line);
      if (delivery === 'full') {
        this.#tryLater();
        return;
      }
      this.#tries = 0;
      this.#waiting.shift();
      this.#waitingChars -= line.length;
      present = delivery === 'taken';
      if (!present) this.#lost += 1;
    }
    if (this.#lost === 0 || !present) return;
    const delivery = this.#options.send(this.#options.lossLine(this.#lost));
    if (delivery === 'full') this.#tryLater();
    if (delivery === 'taken') this.#lost = 0;
  }

  #tryLater(): void {
    this.#tries += 1;
    if (this.#tries > triesLimit) {
      // The timer keeps the process alive, and must not do so for long.
      this.#lost += this.#waiting.length;
      this.#waiting = [];
      this.#waitingChars = 0;
      this.#tries = 0;
    } else {
      this.#timer = setTimeout(() => this.flush(), pauseMillis);
    }
  }
}

const waitingCharsLimit = 64 * 1024;
const pauseMillis = 50;
/** Together two seconds without any progress. */
const triesLimit = 40;

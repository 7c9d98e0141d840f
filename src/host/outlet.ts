/** What became of a line: it is out; there is no room for it now; or nobody is there to take it. */
export type Delivery = 'taken' | 'full' | 'absent';

export interface OutletOptions {
  /** Hands over a line, and never waits. */
  give(line: string): Delivery;
  /** The line that tells of those that were lost, once there is room again. */
  lossLine(count: number): string;
}

/**
 * Lines on their way to somebody who may not read them. Writing never waits; a short jam is waited
 * out with a bounded number of lines, a longer one costs lines, which are counted and told of.
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

  /** Takes a line; it is out at once where there is room. */
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

  /** Hands over what there is room for now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let present = true;
    for (let [line] = this.#waiting; line !== undefined; [line] = this.#waiting) {
      const delivery = this.#options.give(line);
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
    const delivery = this.#options.give(this.#options.lossLine(this.#lost));
    if (delivery === 'full') this.#tryLater();
    if (delivery === 'taken') this.#lost = 0;
  }

  #tryLater(): void {
    this.#tries += 1;
    if (this.#tries > triesLimit) {
      // The process may end meanwhile: it must not be kept from that for long.
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
/** Two seconds of a jam in which nothing moves. */
const triesLimit = 40;

import { KpropError } from '../../../errors/kprop-error.ts';

/**
 * Finds a token that was seen before. Gaps are no error: kadmind makes a token that it does not send.
 * A number far below the highest is refused, for nobody remembers those. @see MIT util_seqstate.c
 */
export class SequenceWindow {
  #highest: number | undefined;
  #seen = new Set<number>();

  /** @throws session.replayed */
  accept(number: number): void {
    const highest = this.#highest ?? number;
    if (number <= highest - windowNumbers || this.#seen.has(number)) {
      throw new KpropError('session.replayed', { number });
    }
    this.#seen.add(number);
    if (number < highest) return;
    this.#highest = number;
    for (const old of this.#seen) if (old <= number - windowNumbers) this.#seen.delete(old);
  }
}

const windowNumbers = 64;

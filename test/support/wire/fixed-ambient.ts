import type { Ambient } from '../../../src/protocol/ambient.ts';

export interface FixedAmbient extends Ambient {
  /** How many prepared octet strings have not been drawn. */
  readonly left: number;
}

/**
 * A clock that stands still, or shows the given times in order and then stands still; and the given
 * bytes as randomness, each drawn once, in order. Asking for more, or for another length, is a bug
 * of the test or of the code: a plain Error.
 */
export function fixedAmbient(
  nowMicros: number | readonly number[],
  randoms: readonly Uint8Array[] = [],
): FixedAmbient {
  const times = typeof nowMicros === 'number' ? [nowMicros] : [...nowMicros];
  let drawn = 0;
  return {
    get left() {
      return randoms.length - drawn;
    },
    nowMicros: () => (times.length > 1 ? times.shift() : times[0]) as number,
    random(byteCount) {
      const bytes = randoms[drawn];
      if (bytes?.length !== byteCount) {
        throw new Error(`${byteCount} bytes drawn, prepared: ${bytes?.length ?? 'none'}`);
      }
      drawn += 1;
      return bytes;
    },
  };
}

/** A clock that stands still, and bytes that follow from the seed. */
export function seededAmbient(nowMicros: number, seed: number): Ambient {
  const next = seededRandom(seed);
  return {
    nowMicros: () => nowMicros,
    random: (byteCount) => Uint8Array.from({ length: byteCount }, () => next(256)),
  };
}

/** Numbers from 0 to below `limit` that follow from the seed (mulberry32). */
export function seededRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

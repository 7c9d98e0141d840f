import { bytesText, spanText } from '../show/words.ts';

/** (3.1 s); nothing if it is not known. */
export function tookText(millis: number | null): string {
  return millis === null || millis === 0 ? '' : `(${spanText(millis)})`;
}

/** A size, or a dash. */
export function sizeText(bytes: number): string {
  return bytes === 0 ? '–' : bytesText(bytes);
}

import { KpropError } from '../../errors/kprop-error.ts';

/** The content of an INTEGER: two's complement, as short as it can be (X.690 §8.3). */
export function integerContent(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} cannot be a DER integer`);
  let byteCount = 1;
  for (let rest = value; rest < -0x80 || rest > 0x7f; rest = Math.floor(rest / 256)) byteCount += 1;
  const content = new Uint8Array(byteCount);
  for (let at = byteCount - 1, rest = value; at >= 0; at -= 1, rest = Math.floor(rest / 256)) {
    content[at] = rest;
  }
  return content;
}

/**
 * The number that the content of an INTEGER is, from `least` to `most`.
 * @throws decode.bad-value, also if it could be shorter
 */
export function integerOf(content: Uint8Array, what: string, least: number, most: number): number {
  const [first = 0, second = 0] = content;
  const padded = content.length > 1 && (first === 0 || first === 0xff);
  if (content.length === 0 || content.length > 8 || (padded && first >> 7 === second >> 7)) {
    throw new KpropError('decode.bad-value', { what, reason: 'holds a number that is not DER' });
  }
  // Past 2^53 the number is rounded, and out of any range all the same.
  let value = first & 0x80 ? -1 : 0;
  for (const byte of content) value = value * 256 + byte;
  if (value < least || value > most) {
    throw new KpropError('decode.bad-value', {
      what,
      reason: `holds ${value}, which is out of range`,
    });
  }
  return value;
}

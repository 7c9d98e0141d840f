import { KpropError } from '../../../errors/kprop-error.ts';

/** A boolean of krb5.conf, or undefined for any other word. @see krb5.conf(5) */
export function parseBoolean(text: string): boolean | undefined {
  return booleans.get(text.toLowerCase());
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'yes', 'true', 't', '1', 'on'].map((word) => [word, true] as const),
  ...['n', 'no', 'false', 'nil', '0', 'off'].map((word) => [word, false] as const),
]);

/** A decimal integer of 32 bits, blanks allowed in front, or undefined. @see strtol(3) */
export function parseInteger(text: string): number | undefined {
  if (!/^[ \t\n\v\f\r]*[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value >= -0x8000_0000 && value <= 0x7fff_ffff ? value : undefined;
}

/**
 * Seconds of a duration such as `1d2h`, `36000`, `10:00` or `1-10:00:00`, or undefined.
 * As in MIT's grammar, a character that means nothing to it ends the text, so that `10hours` are ten
 * hours (but `1w` is one second). @see krb5.conf(5), x-deltat.y
 */
export function parseDuration(text: string): number | undefined {
  const meaningful = /^(?:[ \t\n][ \t\n\v\f\r]*|[-:dhms0-9])*/.exec(text)?.[0] ?? '';
  const groups = durationForms
    .map((form) => form.exec(meaningful)?.groups)
    .find((found) => found !== undefined);
  if (groups === undefined) return undefined;
  const { days = 0, hours = 0, minutes = 0, seconds = 0 } = groups;
  const total =
    Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
  return Math.abs(total) <= 0x7fff_ffff ? total : undefined;
}

const blanks = '(?:[ \\t\\n][ \\t\\n\\v\\f\\r]*)?';
const number = (name: string) => `${blanks}(?<${name}>-?\\d+)`;
const twoDigits = (name: string) => `(?<${name}>\\d\\d?)`;
const durationForms: readonly RegExp[] = [
  `(?:${number('days')}d)?(?:${number('hours')}h)?(?:${number('minutes')}m)?${number('seconds')}s`,
  `(?=.*[dhm])(?:${number('days')}d)?(?:${number('hours')}h)?(?:${number('minutes')}m)?${blanks}`,
  `${number('days')}-${twoDigits('hours')}:${twoDigits('minutes')}:${twoDigits('seconds')}`,
  `${number('hours')}:${twoDigits('minutes')}(?::${twoDigits('seconds')})?`,
  number('seconds'),
].map((form) => new RegExp(`^${form}$`, 's'));

/**
 * The text with each `%{NAME}` replaced; `relation` names it in errors. The caller gives the tokens
 * (`uid`, `TEMP`, `null`…), since they depend on its process.
 * @throws config.value @see krb5.conf(5), parameter expansion
 */
export function expandTokens(
  text: string,
  tokens: ReadonlyMap<string, string>,
  relation: string,
): string {
  return text.replace(/%\{([^}]*)(\}?)/g, (_match, name: string, brace: string) => {
    const value = tokens.get(name);
    if (brace !== '' && value !== undefined) return value;
    const reason = brace === '' ? 'has a %{ without }' : `has an unknown token %{${name}}`;
    throw new KpropError('config.value', { relation, value: text, reason });
  });
}

/** The error for a relation whose value it cannot have. */
export function badValue(relation: string, value: string | undefined, reason: string): KpropError {
  return new KpropError('config.value', { relation, value: value ?? '', reason });
}

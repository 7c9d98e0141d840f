import { isSpace } from './fields.ts';

/** A principal's name of this length or more is stored by libdb2 where nobody finds it. */
export const nameLimitBytes = 2016;

/** Why kdb5_util would store another name than the one that stands in the dump; undefined if not. */
export function nameFault(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (isSpace(bytes[start] as number)) return 'the name begins with white space';
  let realmAt = 0;
  for (let at = start; at < end; at += 1) {
    const kind = kinds[bytes[at] as number] as number;
    if (kind === plain) continue;
    if (kind === raw) return 'the name has a character that is written as an escape';
    if (kind === backslash) {
      at += 1;
      if (at === end || escaped[bytes[at] as number] === 0) {
        return 'the name has an escape that is not one';
      }
    } else if (realmAt > 0) return 'the realm of the name has a separator';
    else if (kind === realmSign) realmAt = at + 1;
  }
  return realmAt === 0 ? 'the name has no realm' : undefined;
}

// What a byte of a name is, when no escape stands before it. @see krb5 src/lib/krb5/krb/unparse.c
const plain = 0;
const raw = 1;
const backslash = 2;
const realmSign = 3;
const slash = 4;
const kinds = new Uint8Array(256);
for (const byte of [0x00, 0x08, 0x09, 0x0a]) kinds[byte] = raw;
kinds[0x5c] = backslash;
kinds[0x40] = realmSign;
kinds[0x2f] = slash;
/** What may follow a backslash. */
const escaped = new Uint8Array(256);
for (const sign of '/@\\tnb0') escaped[sign.charCodeAt(0)] = 1;

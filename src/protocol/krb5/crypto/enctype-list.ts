import { enctypeByName, enctypeProfiles } from './profiles.ts';

/**
 * The enctype numbers that a list such as permitted_enctypes stands for, in order of preference;
 * possibly none. des3 and rc4 are left out unless allowed, even if the list names them. Unknown
 * words are skipped, as in MIT's krb5_init_context: an older program has to start with a newer file.
 */
export function parseEnctypeList(text: string, allow: { des3: boolean; rc4: boolean }): number[] {
  let chosen: number[] = [];
  for (const token of text.split(/[ \t\r\n,]+/)) {
    const removes = token.startsWith('-');
    const enctypes = enctypesNamed(token.replace(/^[+-]/, '').toLowerCase());
    chosen = removes
      ? chosen.filter((enctype) => !enctypes.includes(enctype))
      : [...chosen, ...enctypes.filter((enctype) => !chosen.includes(enctype))];
  }
  return chosen.filter((enctype) => !refused(enctype, allow));
}

function enctypesNamed(word: string): readonly number[] {
  const group = groups.get(word);
  if (group !== undefined) return group;
  const enctype = enctypeByName(word);
  return enctype === undefined ? [] : [enctype];
}

function refused(enctype: number, allow: { des3: boolean; rc4: boolean }): boolean {
  const family = enctypeProfiles.find((profile) => profile.number === enctype)?.family;
  return (family === 'des3' && !allow.des3) || (family === 'rc4' && !allow.rc4);
}

// MIT prefers aes256 first, but camellia128 first in DEFAULT and camellia256 first in its family.
const groups: ReadonlyMap<string, readonly number[]> = new Map([
  ['default', [18, 17, 20, 19, 16, 23, 25, 26]],
  ['aes', [18, 17, 20, 19]],
  ['des3', [16]],
  ['rc4', [23]],
  ['camellia', [26, 25]],
]);

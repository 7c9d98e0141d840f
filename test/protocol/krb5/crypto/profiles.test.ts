import { getCiphers, getHashes } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { parseEnctypeList } from '../../../../src/protocol/krb5/crypto/enctype-list.ts';
import {
  enctypeByName,
  enctypeName,
  enctypeProfiles,
  profileOf,
} from '../../../../src/protocol/krb5/crypto/profiles.ts';

const all = { des3: true, rc4: true };

test('the table has one row for each enctype', () => {
  expect(enctypeProfiles.map((profile) => profile.number)).toEqual([
    16, 17, 18, 19, 20, 23, 25, 26,
  ]);
});

test.each(enctypeProfiles)('$name is found by number, name and alias', (profile) => {
  expect(profileOf(profile.number)).toBe(profile);
  expect(enctypeName(profile.number)).toBe(profile.name);
  for (const name of [profile.name, ...profile.aliases]) {
    expect(enctypeByName(name)).toBe(profile.number);
    expect(enctypeByName(name.toUpperCase())).toBe(profile.number);
  }
});

test.each(enctypeProfiles)('$name needs nothing that node:crypto lacks', (profile) => {
  if (profile.mac === 'hmac') expect(getHashes()).toContain(profile.hash);
  if (profile.mode === 'stream') return;
  expect(getCiphers()).toContain(profile.cbcCipher);
  expect(getCiphers()).toContain(profile.ecbCipher);
});

test('a number without a row has a text, a name without a row no number', () => {
  expect(enctypeName(3)).toBe('etype 3');
  expect(enctypeByName('des-cbc-md5')).toBeUndefined();
  expect(() => profileOf(3)).toThrow('encryption type 3 is not supported');
});

describe('an enctype list', () => {
  test.each([
    ['DEFAULT', [18, 17, 20, 19, 16, 23, 25, 26]],
    ['default -des3 -rc4', [18, 17, 20, 19, 25, 26]],
    ['aes', [18, 17, 20, 19]],
    ['camellia', [26, 25]],
    ['AES256-CTS,\taes128-cts\r\n rc4-hmac', [18, 17, 23]],
    ['+aes256-sha2 aes -aes128-cts', [20, 18, 19]],
    ['aes128-cts aes128-sha1', [17]],
    ['-aes aes256-cts', [18]],
    ['aes256-cts -DEFAULT', []],
    ['des-cbc-crc no-such-type aes256-cts', [18]],
    ['+ - ,', []],
    ['', []],
  ])('%j', (text, expected) => {
    expect(parseEnctypeList(text, all)).toEqual(expected);
  });

  test('holds des3 and rc4 only when each is allowed', () => {
    const text = 'des3-cbc-sha1 rc4 aes256-cts';
    expect(parseEnctypeList(text, all)).toEqual([16, 23, 18]);
    expect(parseEnctypeList(text, { des3: false, rc4: true })).toEqual([23, 18]);
    expect(parseEnctypeList(text, { des3: true, rc4: false })).toEqual([16, 18]);
    expect(parseEnctypeList('des3 rc4', { des3: false, rc4: false })).toEqual([]);
  });
});

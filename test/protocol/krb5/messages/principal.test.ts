import { describe, expect, test } from 'vitest';

import {
  nameBytes,
  nameText,
  nameTypes,
  Principal,
} from '../../../../src/protocol/krb5/messages/principal.ts';

describe('parse', () => {
  test.each([
    ['host/a.example@REALM', 'REALM', ['host', 'a.example']],
    ['a', 'DEFAULT', ['a']],
    ['a@', '', ['a']],
    ['', 'DEFAULT', ['']],
    ['/', 'DEFAULT', ['', '']],
    ['@R', 'R', ['']],
    ['a\\/b@R', 'R', ['a/b']],
    ['a\\@b@R\\/S\\@T', 'R/S@T', ['a@b']],
    ['\\n\\t\\b\\0\\\\\\x', 'DEFAULT', ['\n\t\b\0\\x']],
    ['jürgen/𝛂@R', 'R', ['jürgen', '𝛂']],
  ])('%s', (text, realm, components) => {
    const principal = Principal.parse(text, 'DEFAULT');
    expect(principal.realm).toBe(realm);
    expect(principal.components).toEqual(components);
    expect(Principal.parse(principal.toString()).equals(principal)).toBe(true);
  });

  test.each([
    ['a@b@c', 'second unescaped @'],
    ['a@b/c', 'unescaped /'],
    ['a\\', 'lone backslash'],
    ['a@R\\', 'lone backslash'],
    ['a', 'no realm'],
  ])('%s is malformed', (text, reason) => {
    expect(() => Principal.parse(text)).toThrow(
      expect.objectContaining({
        code: 'principal.malformed',
        message: expect.stringContaining(reason),
      }),
    );
  });

  test.each([
    ['krbtgt/R@R', nameTypes.srvInst],
    ['krbtgt@R', nameTypes.principal],
    ['krbtgt/a/b@R', nameTypes.principal],
    ['WELLKNOWN/ANONYMOUS@R', nameTypes.wellKnown],
    ['WELLKNOWN@R', nameTypes.principal],
    ['host/a@R', nameTypes.principal],
  ])('%s is of name type %i', (text, nameType) => {
    expect(Principal.parse(text).nameType).toBe(nameType);
  });
});

describe('text of a principal', () => {
  const odd = Principal.of('R/1@2', ['a/b', 'c@d\\', '\t\n\b\0 ']);

  test('escapes separators, backslashes and four control characters', () => {
    expect(odd.toString()).toBe('a\\/b/c\\@d\\\\/\\t\\n\\b\\0 @R\\/1\\@2');
  });
});

describe('comparison', () => {
  const host = Principal.of('R', ['host', 'a'], nameTypes.srvHst);

  test('ignores the name type', () => {
    expect(host.equals(Principal.parse('host/a@R'))).toBe(true);
  });

  test.each(['host/A@R', 'host/a@r', 'host@R', 'host/a/@R', 'host\\/a@R'])('%s differs', (text) => {
    expect(host.equals(Principal.parse(text))).toBe(false);
  });

  test('another realm keeps components and name type', () => {
    const moved = host.withRealm('S');
    expect(`${moved} ${moved.nameType}`).toBe('host/a@S 3');
    expect(host.realm).toBe('R');
  });
});

describe('bytes of a name', () => {
  test.each([
    ['ASCII', [0x61, 0x00, 0x7f]],
    ['UTF-8', [0xc3, 0xbc, 0xf0, 0x9d, 0x9b, 0x82]],
    ['a byte order mark, which is part of the name', [0xef, 0xbb, 0xbf, 0x61]],
    ['ISO 8859-1', [0x6a, 0xfc, 0x72]],
    ['half of a UTF-8 sequence', [0x61, 0xf0, 0x9d]],
    ['a surrogate in UTF-8 form', [0xed, 0xb2, 0x80]],
  ])('survive as text: %s', (_label, bytes) => {
    expect([...nameBytes(nameText(Uint8Array.from(bytes)))]).toEqual(bytes);
  });

  test('different malformed bytes give different names', () => {
    expect(nameText(Uint8Array.of(0xff))).not.toBe(nameText(Uint8Array.of(0xfe)));
  });
});

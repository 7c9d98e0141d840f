import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { getopt } from '../../src/cli/getopt.ts';
import { isKpropError } from '../../src/errors/kprop-error.ts';
import { parseDefaultPaths } from '../../src/host/default-paths.ts';
import { parseCcache } from '../../src/protocol/krb5/formats/ccache.ts';
import { parseKeytab } from '../../src/protocol/krb5/formats/keytab.ts';
import { parseProfile } from '../../src/protocol/krb5/formats/profile.ts';
import { parseDuration, parseInteger } from '../../src/protocol/krb5/formats/values.ts';
import { nameBytes, nameText, Principal } from '../../src/protocol/krb5/messages/principal.ts';
import { Acl } from '../../src/server/acl.ts';
import { profileValues } from '../support/profile-values.ts';
import { int32, name, uint32 } from '../support/wire/arbitrary-messages.ts';
import { ByteWriter } from '../support/wire/byte-writer.ts';
import { formatKeytab } from '../support/wire/format-keytab.ts';

const fullName = name.filter((text) => text !== '');
const principals = fc
  .tuple(fullName, fc.array(fullName, { minLength: 1, maxLength: 4 }), int32)
  .map(([realm, parts, type]) => Principal.of(realm, parts, type));
const keys = fc.uint8Array({ minLength: 1, maxLength: 40 });

describe('names', () => {
  test('are equal only if their bytes are, and keep them', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 6 }), name.map(nameBytes));
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(nameBytes(nameText(a))).toEqual(Uint8Array.from(a));
        expect(nameText(a) === nameText(b)).toBe(Buffer.from(a).equals(b));
      }),
    );
  });

  test('of principals survive their text', () => {
    fc.assert(
      fc.property(principals, principals, (one, other) => {
        const read = Principal.parse(one.toString());
        expect(read.equals(one)).toBe(true);
        expect(read.toString()).toBe(one.toString());
        expect(one.equals(other)).toBe(one.toString() === other.toString());
      }),
    );
  });

  test('let in nobody but themselves', () => {
    const property = fc.property(
      fc.array(principals, { maxLength: 4 }),
      principals,
      (list, other) => {
        const text = list.map((one) => `${one}\n`).join('');
        const acl = Acl.parse(nameBytes(text), 'acl');
        for (const one of list) expect(acl.permits(one, 18)).toBe(true);
        // Behind blanks stands an encryption type.
        expect(acl.permits(other, 18)).toBe(list.some((one) => one.equals(other)));
      },
    );
    fc.assert(property);
  });
});

describe('a keytab', () => {
  const entries = fc.array(
    fc.record({
      principal: principals,
      timestampSeconds: uint32,
      kvno: uint32,
      enctype: fc.integer({ min: -0x8000, max: 0x7fff }),
      key: keys,
    }),
    { maxLength: 5 },
  );

  test.each([1, 2] as const)('of version %i is read as it was written', (version) => {
    fc.assert(
      fc.property(entries, (all) => {
        const read = parseKeytab(formatKeytab(all, version), 'keytab');
        expect(read).toHaveLength(all.length);
        for (const [index, entry] of all.entries()) {
          const { principal, key, ...rest } = read[index]!;
          expect(principal.equals(entry.principal)).toBe(true);
          // Only version 2 holds the type of the name.
          if (version === 2) expect(principal.nameType).toBe(entry.principal.nameType);
          expect(key).toEqual(entry.key);
          // A kvno of 32 bits that is 0 leaves the word to the one of 8 bits, which is 0, too.
          const { timestampSeconds, kvno, enctype } = entry;
          expect(rest).toMatchObject({ timestampSeconds, kvno, enctype });
        }
      }),
    );
  });

  test('cut anywhere keeps the entries before the cut', () => {
    fc.assert(
      fc.property(entries, fc.nat(), (all, at) => {
        const whole = formatKeytab(all);
        const cut = 2 + (at % (whole.length - 1));
        const read = parseKeytab(whole.subarray(0, cut), 'keytab');
        expect(read.length).toBeLessThanOrEqual(all.length);
        for (const [index, entry] of read.entries()) {
          expect(entry.principal.equals(all[index]!.principal)).toBe(true);
          expect(entry.key).toEqual(all[index]!.key);
        }
      }),
    );
  });
});

describe('a credential cache', () => {
  const times = {
    authTime: uint32,
    startTime: uint32,
    endTime: fc.integer({ min: 1, max: 2 ** 31 }),
  };
  const credentials = fc.array(
    fc.record({
      client: principals,
      server: principals,
      enctype: fc.integer({ min: -0x8000, max: 0x7fff }),
      key: keys,
      ...times,
      renewTill: uint32,
      flags: uint32,
      ticket: keys,
    }),
    { maxLength: 4 },
  );
  const data = (w: ByteWriter, bytes: Uint8Array) => w.uint32(bytes.length).bytes(bytes);
  const principal = (w: ByteWriter, one: Principal) => {
    w.uint32(one.nameType >>> 0).uint32(one.components.length);
    for (const part of [one.realm, ...one.components]) data(w, nameBytes(part));
  };

  test.each([3, 4] as const)('of version %i is read as it was written', (version) => {
    const property = fc.property(principals, credentials, fc.nat(), (owner, all, at) => {
      const w = new ByteWriter().bytes(Uint8Array.of(5, version));
      if (version === 4) w.uint16(3).bytes(Uint8Array.of(9, 9, 9));
      principal(w, owner);
      for (const one of all) {
        principal(w, one.client);
        principal(w, one.server);
        w.uint16(one.enctype & 0xffff);
        if (version === 3) w.uint16(one.enctype & 0xffff);
        data(w, one.key);
        w.uint32(one.authTime).uint32(one.startTime).uint32(one.endTime).uint32(one.renewTill);
        w.uint8(0).uint32(one.flags).uint32(0).uint32(0);
        data(data(w, one.ticket), new Uint8Array(0));
      }
      const whole = w.finish();
      const read = parseCcache(whole, 'ccache');
      expect(read.principal.equals(owner)).toBe(true);
      expect(read.credentials).toHaveLength(all.length);
      for (const [index, { client, server, key, enctype, ...rest }] of all.entries()) {
        const got = read.credentials[index]!;
        expect(got.client.equals(client) && got.server.equals(server)).toBe(true);
        expect([got.key.enctype, got.key.bytes]).toEqual([enctype, key]);
        expect(got).toMatchObject(rest);
      }
      // Cut, it is one with fewer tickets, or none.
      try {
        const cut = parseCcache(whole.subarray(0, at % whole.length), 'ccache');
        expect(cut.credentials).toEqual(read.credentials.slice(0, cut.credentials.length));
      } catch (error) {
        expect(isKpropError(error, 'ccache.format')).toBe(true);
      }
    });
    fc.assert(property);
  });
});

describe('krb5.conf', () => {
  const word = fc.string({
    unit: fc.constantFrom(...'abcXYZ09_.-/:'),
    minLength: 1,
    maxLength: 12,
  });
  const value = fc.oneof(word, fc.string({ unit: 'grapheme-ascii', maxLength: 20 }));
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;

  test('gives the values that were written, in their order', () => {
    const relations = fc.array(fc.tuple(word, word, value), { maxLength: 12 });
    fc.assert(
      fc.property(relations, (all) => {
        const lines = all.map(
          ([section, tag, text]) => `[s]\n ${section} = {\n  ${tag} = ${quoted(text)}\n }\n`,
        );
        const tree = parseProfile(lines.join(''), 'krb5.conf', () => []);
        for (const [section, tag] of all) {
          const wanted = all
            .filter(([s, t]) => s === section && t === tag)
            .map(([, , text]) => text);
          expect(profileValues([tree], ['s', section, tag])).toEqual(wanted);
        }
      }),
    );
  });

  test('knows numbers and durations', () => {
    fc.assert(fc.property(int32, (number) => parseInteger(` ${number}`) === number));
    const parts = fc.tuple(fc.nat(9999), fc.nat(99), fc.nat(99), fc.nat(99));
    fc.assert(
      fc.property(parts, ([d, h, m, s]) => {
        const seconds = d * 86_400 + h * 3600 + m * 60 + s;
        const two = (n: number) => String(n).padStart(2, '0');
        expect(parseDuration(`${d}d${h}h${m}m${s}s`)).toBe(seconds);
        expect(parseDuration(`${d}-${two(h)}:${two(m)}:${two(s)}`)).toBe(seconds);
        expect(parseDuration(String(seconds))).toBe(seconds);
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        const seconds = parseDuration(text) ?? 0;
        expect(Math.abs(seconds)).toBeLessThanOrEqual(0x7fffffff);
      }),
    );
  });
});

test('kprop.json gives absolute paths by known names, or is refused', () => {
  const text = fc.oneof(
    fc.json(),
    fc.dictionary(fc.constantFrom('dump', 'acl', 'x'), fc.string()).map((o) => JSON.stringify(o)),
  );
  fc.assert(
    fc.property(text, (some) => {
      try {
        for (const path of Object.values(parseDefaultPaths(some, 'kprop.json'))) {
          expect(path).toMatch(/^\//);
        }
      } catch (error) {
        expect(isKpropError(error, 'config.syntax')).toBe(true);
      }
    }),
  );
});

test('a command line loses no word', () => {
  const known = [
    ...['f', 'P', 'pid-file'].map((name) => ({ name, value: 'text', about: '' })),
    ...['d', 'D', 'dD'].map((name) => ({ name, about: '' })),
  ];
  const words = fc.array(fc.string({ unit: fc.constantFrom(...'adfxDP-=1/'), maxLength: 5 }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(words, (args) => {
      const { options, operands, complaints } = getopt(args, known);
      const plain = args.filter((word) => !word.startsWith('-') || word === '-');
      // An operand that is missing is an option's value.
      const values = options.flatMap(({ value }) => (value === undefined ? [] : [value]));
      for (const word of plain) expect([...operands, ...values]).toContain(word);
      expect(options.length + complaints.length + operands.length).toBeLessThanOrEqual(
        args.join('').length + args.length,
      );
    }),
  );
});

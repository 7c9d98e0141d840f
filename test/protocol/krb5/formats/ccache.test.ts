import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import {
  type CachedCredential,
  parseCcache,
  parseCcacheName,
} from '../../../../src/protocol/krb5/formats/ccache.ts';

interface Vector {
  readonly name: string;
  readonly bytes: string;
  readonly principal: string;
  readonly credentials: readonly {
    readonly server: string;
    readonly enctype: number;
    readonly start: string;
    readonly end: string;
    readonly renew?: string;
    readonly letters: string;
  }[];
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../vectors/formats-ccache.json', import.meta.url), 'utf8'),
);
const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const seconds = (text: string | undefined) => (text === undefined ? 0 : Date.parse(text) / 1000);
const formatError = expect.objectContaining({
  code: 'ccache.format',
  comErrText: 'Bad format in credentials cache',
});

describe.each(vectors)('$name', ({ bytes, principal, credentials }) => {
  const file = fromHex(bytes);
  const cache = parseCcache(file, '/c');

  test('holds what klist lists, without configuration entries', () => {
    expect(cache.principal.toString()).toBe(principal);
    expect(cache.credentials.map((credential) => credential.client.toString())).toEqual(
      credentials.map(() => principal),
    );
    expect(cache.credentials.map(listed)).toEqual(
      credentials.map(({ start, end, renew, ...rest }) => ({
        ...rest,
        start: seconds(start),
        end: seconds(end),
        renew: seconds(renew),
      })),
    );
  });

  test('each credential has a key of 32 bytes and a whole Ticket in DER', () => {
    for (const { key, ticket } of cache.credentials) {
      expect(key.bytes).toHaveLength(32);
      // [APPLICATION 1] with a length in two bytes.
      expect([...ticket.subarray(0, 2)]).toEqual([0x61, 0x82]);
      expect(ticket[2]! * 256 + ticket[3]! + 4).toBe(ticket.length);
    }
  });

  test('cut anywhere, is refused or gives the credentials before the cut', () => {
    const counts = new Set<number>();
    for (let length = 0; length < file.length; length++) {
      try {
        const cut = parseCcache(file.subarray(0, length), '/c');
        expect(cut.principal.equals(cache.principal)).toBe(true);
        expect(cut.credentials.map(listed)).toEqual(
          cache.credentials.slice(0, cut.credentials.length).map(listed),
        );
        counts.add(cut.credentials.length);
      } catch (error) {
        expect(counts.size).toBe(0);
        expect(error).toEqual(formatError);
      }
    }
    expect([...counts]).toEqual(credentials.map((_, index) => index));
  });

  test('with any byte changed, is read or refused, and never crashes', () => {
    for (let at = 0; at < file.length; at++) {
      for (const value of [0, 0x7f, 0x80, 0xff, file[at]! ^ 1]) {
        const damaged = file.slice();
        damaged[at] = value;
        try {
          parseCcache(damaged, '/c');
        } catch (error) {
          expect(error).toEqual(formatError);
        }
      }
    }
  });
});

test('a removed credential is left out', () => {
  const { bytes, credentials } = vectors[1]!;
  const file = Buffer.from(bytes, 'hex');
  const end = Buffer.alloc(4);
  end.writeUInt32BE(seconds(credentials[0]!.end));
  file.fill(0, file.lastIndexOf(end), file.lastIndexOf(end) + 4);
  expect(parseCcache(file, '/c').credentials).toEqual([]);
});

test.each([
  ['nothing', []],
  ['a keytab', [5, 2]],
  ['version 1', [5, 1]],
  ['version 5', [5, 5]],
  ['text', [0x23, 0x21]],
  ['a header longer than the file', [5, 4, 0xff, 0xff, 0]],
  ['a hostile component count', [5, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]],
])('%s is no credential cache', (_label, bytes) => {
  expect(() => parseCcache(Uint8Array.from(bytes), '/c')).toThrow(formatError);
});

test('a key is not printed', () => {
  const { credentials } = parseCcache(fromHex(vectors[0]!.bytes), '/c');
  const key = credentials[0]!.key;
  expect(inspect(key, { showHidden: true })).not.toContain(`${key.bytes[0]}, ${key.bytes[1]}`);
  expect(JSON.stringify(key)).toBe('{"enctype":18}');
});

test.each([
  ['/tmp/krb5cc_0', 'FILE', '/tmp/krb5cc_0'],
  ['FILE:/tmp/a:b', 'FILE', '/tmp/a:b'],
  ['C:x', 'FILE', 'C:x'],
  ['MEMORY:m', 'MEMORY', 'm'],
])('the name %s', (name, type, path) => {
  expect(parseCcacheName(name)).toEqual({ type, path });
});

// Unlike a keytab's, a path with a colon needs its FILE: (measured with 1.20.1).
test.each(['/tmp/a:b', 'DIR:/tmp', 'KEYRING:x', 'file:/x', 'WRFILE:/x'])(
  '%s is no name',
  (name) => {
    expect(() => parseCcacheName(name)).toThrow(
      expect.objectContaining({
        code: 'ccache.unknown-type',
        comErrText: 'Unknown credential cache type',
      }),
    );
  },
);

function listed(credential: CachedCredential): object {
  return {
    server: credential.server.toString(),
    enctype: credential.key.enctype,
    start: credential.startTime,
    end: credential.endTime,
    renew: credential.renewTill,
    letters: flagLetters
      .filter(([bit]) => (credential.flags & (0x8000_0000 >>> bit)) !== 0)
      .map(([, letter]) => letter)
      .join(''),
  };
}

/** Bits of TicketFlags (RFC 4120 §5.3) and their letters, in the order of klist -f. */
const flagLetters: readonly (readonly [bit: number, letter: string])[] = [
  [1, 'F'],
  [2, 'f'],
  [3, 'P'],
  [4, 'p'],
  [5, 'D'],
  [6, 'd'],
  [7, 'i'],
  [8, 'R'],
  [9, 'I'],
  [11, 'H'],
  [10, 'A'],
  [12, 'T'],
  [13, 'O'],
];

import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import {
  Keytab,
  KeytabEntry,
  parseKeytab,
  parseKeytabName,
} from '../../../../src/protocol/krb5/formats/keytab.ts';
import { Principal } from '../../../../src/protocol/krb5/messages/principal.ts';
import { formatKeytab } from '../../../support/wire/format-keytab.ts';

interface Vector {
  readonly name: string;
  readonly bytes: string;
  readonly entries: readonly {
    readonly principal: string;
    readonly timestampSeconds: number;
    readonly kvno: number;
    readonly enctype: number;
    readonly key: string;
  }[];
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../vectors/formats-keytab.json', import.meta.url), 'utf8'),
);
const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
const plain = (entry: KeytabEntry) => ({
  principal: entry.principal.toString(),
  timestampSeconds: entry.timestampSeconds,
  kvno: entry.kvno,
  enctype: entry.enctype,
  key: Buffer.from(entry.key).toString('hex'),
});
const parsed = (bytes: Uint8Array) => parseKeytab(bytes, '/k').map(plain);

describe.each(vectors)('$name', ({ bytes, entries }) => {
  const file = fromHex(bytes);

  test('holds what klist lists', () => {
    expect(parsed(file)).toEqual(entries);
  });

  test.each([1, 2] as const)('survives being written as version %i', (version) => {
    expect(parsed(formatKeytab(parseKeytab(file, '/k'), version))).toEqual(entries);
  });

  test('cut anywhere, gives the entries before the cut', () => {
    for (let length = 0; length < file.length; length++) {
      const cut = file.subarray(0, length);
      if (length < 2) expect(() => parsed(cut)).toThrow(KpropError);
      else expect(entries.slice(0, parsed(cut).length)).toEqual(parsed(cut));
    }
  });

  test('with any byte changed, is read or refused, and never crashes', () => {
    for (let at = 0; at < file.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, file[at]! ^ 0x10]) {
        const damaged = file.slice();
        damaged[at] = value;
        try {
          parsed(damaged);
        } catch (error) {
          expect(error).toMatchObject({ code: 'keytab.format' });
        }
      }
    }
  });
});

test('a keytab of ktadd is rewritten byte for byte', () => {
  const file = fromHex(vectors[0]!.bytes);
  expect(formatKeytab(parseKeytab(file, '/k'))).toEqual(file);
});

const principal = Principal.parse('host/a@R');
const other = Principal.parse('host/b@R');
const entry = (kvno: number, enctype = 18, timestampSeconds = 5, of = principal) =>
  new KeytabEntry({
    principal: of,
    timestampSeconds,
    kvno,
    enctype,
    key: Uint8Array.of(kvno & 0xff, enctype & 0xff),
  });
/** Offsets in a record of host/a@R: what a test needs to damage it. */
const record = { size: 2, count: 6, realm: 8, key: 31 };

describe('parseKeytab', () => {
  const first = formatKeytab([entry(1)]);
  const second = formatKeytab([entry(2)]).subarray(2);
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const patched = (offset: number, ...bytes: number[]) => {
    const copy = join(first, second);
    copy.set(bytes, offset);
    return parsed(copy).map(({ kvno }) => kvno);
  };

  test.each([
    ['nothing', []],
    ['one byte', [5]],
    ['version 3', [5, 3]],
    ['no magic', [4, 2]],
  ])('%s is no keytab', (_label, bytes) => {
    expect(() => parsed(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({
        code: 'keytab.format',
        comErrText: 'Unsupported key table format version number',
      }),
    );
  });

  test('a hole of -2^31 is refused as MIT refuses it', () => {
    expect(() => parsed(join(first, Uint8Array.of(0x80, 0, 0, 0)))).toThrow(
      expect.objectContaining({
        code: 'keytab.format',
        comErrText: 'Bad format in keytab',
      }),
    );
  });

  // What klist of 1.20.1 shows for each of these was looked at once.
  test('the undamaged pair', () => expect(patched(0)).toEqual([1, 2]));
  test('a length of zero ends it', () => {
    expect(patched(record.size, 0, 0, 0, 0)).toEqual([]);
    expect(parsed(join(first, Uint8Array.of(0, 0, 0, 0), second))).toHaveLength(1);
  });
  test('no components end it', () => expect(patched(record.count, 0, 0)).toEqual([]));
  test('32768 components end it', () => expect(patched(record.count, 0x80, 0)).toEqual([]));
  test('an empty realm ends it', () => expect(patched(record.realm, 0, 0)).toEqual([]));
  test('an empty key ends it', () => {
    expect(first.subarray(record.key - 2, record.key + 4)).toEqual(
      Uint8Array.of(0, 18, 0, 2, 1, 18),
    );
    expect(patched(record.key, 0, 0)).toEqual([]);
  });
  test('a length past the end of file spares a whole entry', () => {
    expect(patched(record.size, 0, 0, 2, 0)).toEqual([1]);
  });
  test('a length that is too short spares a whole entry and loses the next', () => {
    expect(patched(record.size, 0, 0, 0, 1)).toEqual([1]);
  });
  test('a hole is skipped, one past the end of file ends it', () => {
    const hole = Uint8Array.of(0xff, 0xff, 0xff, 0xfd, 1, 2, 3);
    expect(parsed(join(first, hole, second))).toHaveLength(2);
    expect(parsed(join(first, Uint8Array.of(0xff, 0xff, 0, 0), second))).toHaveLength(1);
  });

  test('a zero kvno32 leaves the 8-bit kvno, any other replaces it', () => {
    const end = first.length;
    const withKvno32 = (...bytes: number[]) => {
      const copy = first.slice();
      copy.set(bytes, end - 4);
      return parsed(copy)[0]?.kvno;
    };
    expect(withKvno32(0, 0, 0, 0)).toBe(1);
    expect(withKvno32(0, 0, 1, 0x2c)).toBe(300);
    expect(withKvno32(0xff, 0xff, 0xff, 0xf0)).toBe(0xfffffff0);
  });

  test('unknown and negative enctypes survive', () => {
    const odd = [entry(1, 99), entry(1, -5)];
    expect(parsed(formatKeytab(odd))).toEqual(odd.map(plain));
  });

  test('names that are no UTF-8 survive', () => {
    const file = formatKeytab([entry(1)]);
    file[file.indexOf('a'.charCodeAt(0))] = 0xff;
    expect(formatKeytab(parseKeytab(file, '/k'))).toEqual(file);
  });

  test('keys are copies', () => {
    const file = formatKeytab([entry(1)]);
    const [kept] = parseKeytab(file, '/k');
    file.fill(0);
    expect(kept?.key).toEqual(Uint8Array.of(1, 18));
  });
});

test.each([
  ['an empty component', { principal: Principal.of('R', ['host', '']) }],
  ['no component', { principal: Principal.of('R', []) }],
  ['an empty realm', { principal: Principal.of('', ['host']) }],
  ['a long name', { principal: Principal.of('R', ['x'.repeat(0x10000)]) }],
  ['an empty key', { key: new Uint8Array(0) }],
  ['a long key', { key: new Uint8Array(0x8000) }],
])('an entry with %s is not written', (_label, change) => {
  const { timestampSeconds, kvno, enctype, key } = entry(1);
  const fields = { principal, timestampSeconds, kvno, enctype, key, ...change };
  expect(() => formatKeytab([fields])).toThrow(expect.objectContaining({ code: 'keytab.format' }));
});

describe('find', () => {
  const find = (entries: readonly KeytabEntry[], kvno: number, enctype = 18) =>
    new Keytab('FILE:/k', entries).find(principal, kvno, enctype).kvno;

  test('takes the exact kvno', () => {
    expect(find([entry(1), entry(3), entry(2)], 2)).toBe(2);
  });
  test('takes an 8-bit kvno for a longer one, unless that is there too', () => {
    expect(find([entry(0x2c)], 300)).toBe(0x2c);
    expect(find([entry(0x2c), entry(300)], 300)).toBe(300);
  });
  test('takes an entry of kvno 0 for any', () => expect(find([entry(0)], 7)).toBe(0));
  test.each([
    [[1, 3, 2], 3],
    [[250, 5], 5],
    [[5, 250], 5],
    [[200, 5], 200],
    [[250, 130], 250],
  ])('any kvno of %j is %i, for kvnos wrap at 256', (kvnos, newest) => {
    expect(
      find(
        kvnos.map((kvno) => entry(kvno)),
        0,
      ),
    ).toBe(newest);
  });
  test('a small kvno that is older than a large one has not wrapped', () => {
    expect(find([entry(250, 18, 9), entry(5, 18, 8)], 0)).toBe(250);
    expect(find([entry(5, 18, 8), entry(250, 18, 9)], 0)).toBe(250);
  });
  test('other enctypes and principals do not count', () => {
    const entries = [entry(9, 17), entry(8, 18, 5, other), entry(1)];
    expect(find(entries, 0)).toBe(1);
    expect(() => find(entries, 9, 20)).toThrow(
      expect.objectContaining({
        code: 'keytab.no-key',
        detail: { principal: 'host/a@R', keytab: 'FILE:/k' },
      }),
    );
  });
  test('another kvno alone is its own error', () => {
    expect(() => find([entry(1)], 2)).toThrow(
      expect.objectContaining({ code: 'keytab.wrong-kvno' }),
    );
  });
});

test('enctypesOf lists the highest kvno only, in file order, each once', () => {
  const entries = [entry(1, 23), entry(2, 17), entry(2, 99), entry(2, 17), entry(3, 18, 5, other)];
  const keytab = new Keytab('FILE:/k', entries);
  expect(keytab.enctypesOf(principal)).toEqual([17, 99]);
  expect(keytab.enctypesOf(Principal.parse('nobody@R'))).toEqual([]);
});

test('an entry does not print its key', () => {
  const secret = new KeytabEntry({
    principal,
    timestampSeconds: 1,
    kvno: 1,
    enctype: 17,
    key: Uint8Array.from(Buffer.from('s3cr3t!!')),
  });
  const keytab = new Keytab('FILE:/k', [secret]);
  const shown = [
    inspect(keytab, { depth: null, showHidden: true }),
    JSON.stringify(keytab),
    `${secret}`,
    JSON.stringify({ ...secret }),
  ].join();
  expect(shown).toContain('host');
  expect(shown).not.toMatch(/s3cr3t|115,\s*51|115, 51|7333/);
});

test.each([
  ['FILE:/a:b', 'FILE', '/a:b'],
  ['WRFILE:/a', 'FILE', '/a'],
  ['/a:b', 'FILE', '/a:b'],
  ['relative', 'FILE', 'relative'],
  ['C:x', 'FILE', 'C:x'],
  ['MEMORY:m', 'MEMORY', 'm'],
])('the name %s', (name, type, path) => {
  expect(parseKeytabName(name)).toEqual({ type, path });
});

test.each(['SRVTAB:/a', 'file:/a', 'FOO:x', '1:x', ':x'])('%s is not a keytab name', (name) => {
  expect(() => parseKeytabName(name)).toThrow(
    expect.objectContaining({ code: 'keytab.unknown-type' }),
  );
});

import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { KpropError } from '../../../../src/errors/kprop-error.ts';
import { concat } from '../../../../src/protocol/bytes.ts';
import { decode, encode } from '../../../../src/protocol/der/schema.ts';
import { verifyChecksum } from '../../../../src/protocol/krb5/crypto/checksum.ts';
import { decrypt } from '../../../../src/protocol/krb5/crypto/encrypt.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { checksum } from '../../../../src/protocol/krb5/messages/parts.ts';
import { fromJson, toJson } from '../../../support/wire/bytes-json.ts';
import {
  elementsOf,
  isConstructed,
  lengthBytes,
  parseTree,
  type Twist,
  tlv,
  writeTree,
} from '../../../support/wire/der-tree.ts';
import { fromHex, toHex } from '../../../support/wire/transcripts.ts';
import { codecs } from './codecs.ts';

interface Row {
  readonly source: string;
  readonly title: string;
  readonly codec: string;
  readonly bytes: string;
  readonly value: unknown;
  /** Where it was found: under which key, and for which usage. */
  readonly sealed?: { readonly key: string; readonly usage: number; readonly cipher: string };
}

const rows = JSON.parse(
  readFileSync(new URL('../../../vectors/messages-recorded.json', import.meta.url), 'utf8'),
) as readonly Row[];

describe.each(rows)('$title', (row) => {
  const codec = codecs[row.codec]!;
  const bytes = fromHex(row.bytes);
  const value = fromJson(row.value);
  const tree = parseTree(bytes);
  const elements = elementsOf(tree);
  const refuses = (twist: Twist) => {
    const twisted = writeTree(tree, twist);
    const code = codeOf(() => decode(codec, twisted));
    if (!/^decode\./.test(code)) expect({ twisted: toHex(twisted), code }).toBe('refused');
  };

  test('its value becomes its bytes', () => {
    expect(toHex(encode(codec, value))).toBe(row.bytes);
  });

  test('its bytes become its value', () => {
    expect(toJson(decode(codec, bytes))).toEqual(row.value);
  });

  test('both ways round', () => {
    expect(toHex(encode(codec, decode(codec, bytes)))).toBe(row.bytes);
    expect(toJson(decode(codec, encode(codec, value)))).toEqual(row.value);
  });

  test('it stands where a larger buffer holds it', () => {
    const buffer = concat(fromHex('ffff'), bytes, fromHex('ffff'));
    const view = buffer.subarray(2, 2 + bytes.length);
    expect(toJson(decode(codec, view))).toEqual(row.value);
  });

  test('no prefix of it is accepted', () => {
    for (let end = 0; end < bytes.length; end += 1) {
      expect(codeOf(() => decode(codec, bytes.subarray(0, end)))).toBe('decode.truncated');
    }
  });

  test('nothing may follow it', () => {
    expect(codeOf(() => decode(codec, concat(bytes, fromHex('00'))))).toBe('decode.trailing');
    expect(codeOf(() => decode(codec, concat(bytes, bytes)))).toBe('decode.trailing');
  });

  test('no element may have another tag', () => {
    for (const at of elements) {
      // The least bit: the neighbouring field, SET for SEQUENCE, another string.
      for (const bit of [0x01, 0x20, 0x40, 0x80]) {
        refuses({ at, as: (tag, content) => tlv(tag ^ bit, content) });
      }
    }
  });

  test('no length may be longer than it need be, or indefinite', () => {
    for (const at of elements) {
      for (const extra of [1, 2]) {
        const as = (tag: number, content: Uint8Array) =>
          concat(Uint8Array.of(tag), lengthBytes(content.length, extra), content);
        refuses({ at, as });
      }
      refuses({
        at,
        as: (tag, content) => concat(Uint8Array.of(tag, 0x80), content, fromHex('0000')),
      });
    }
  });

  test('no number may be longer than it need be, or empty', () => {
    for (const at of elements.filter(({ tag }) => tag === 0x02)) {
      const padding = ((at.content[0] ?? 0) & 0x80) !== 0 ? 0xff : 0;
      refuses({ at, as: (tag, content) => tlv(tag, concat(Uint8Array.of(padding), content)) });
      refuses({ at, as: (tag) => tlv(tag, new Uint8Array(0)) });
    }
  });

  test('no structure may have a field that is not known, or any twice', () => {
    for (const at of elements.filter(isConstructed)) {
      const more = fromHex('be03020105'); // [30] 5
      refuses({ at, as: (tag, content) => tlv(tag, concat(content, more)) });
      refuses({ at, as: (tag, content) => tlv(tag, concat(more, content)) });
    }
    for (const at of elements.filter(({ tag }) => (tag & 0xe0) === 0xa0)) {
      refuses({ at, as: (tag, content) => concat(tlv(tag, content), tlv(tag, content)) });
    }
  });

  if (row.sealed === undefined) return;
  test('it is what the sealed bytes hold', () => {
    const { key, usage, cipher } = row.sealed!;
    const plain = decrypt(Key.of(18, fromHex(key)), usage, fromHex(cipher));
    expect(toHex(plain)).toBe(row.bytes);
  });
});

test('the checksum in the AS-REP covers the AS-REQ', () => {
  const bytesOf = (title: string) => fromHex(rows.find((row) => row.title === title)!.bytes);
  const hostKey = rows.find(({ sealed }) => sealed?.usage === 3)!.sealed!.key;
  const { checksum: sum } = decode(checksum, bytesOf('Checksum over the AS-REQ, the item 149'));
  const request = bytesOf('AS-REQ without preauthentication');
  expect(() => verifyChecksum(Key.of(18, fromHex(hostKey)), 56, request, sum)).not.toThrow();
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof KpropError ? error.code : String(error);
  }
  return 'nothing was thrown';
}

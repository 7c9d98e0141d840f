import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import { isKpropError } from '../../../../src/errors/kprop-error.ts';
import { systemAmbient } from '../../../../src/protocol/ambient.ts';
import { Key } from '../../../../src/protocol/krb5/crypto/key.ts';
import { enctypes } from '../../../support/wire/enctypes.ts';
import { toHex } from './vectors.ts';

describe.each(enctypes)('a key of enctype %d', (enctype) => {
  const key = Key.random(enctype, systemAmbient());

  test('never shows its bytes', () => {
    const texts = [`${key}`, JSON.stringify({ key }), inspect(key, { showHidden: true, depth: 9 })];
    for (const text of texts) {
      expect(text).toContain(key.profile.name);
      expect(text).not.toContain(toHex(key.bytes).slice(0, 8));
      expect(text).not.toMatch(/\d+, ?\d+|Uint8Array/);
    }
  });

  test('keeps a copy of what it was made of', () => {
    const bytes = Uint8Array.from(key.bytes);
    const copy = Key.of(enctype, bytes);
    bytes.fill(0);
    expect(copy.bytes).toEqual(key.bytes);
  });

  test('is refused one byte longer or shorter', () => {
    for (const byteCount of [0, key.bytes.length - 1, key.bytes.length + 1]) {
      expect(codeOf(() => Key.of(enctype, new Uint8Array(byteCount)))).toBe('crypto.bad-key-size');
    }
  });

  test('derives each of its keys once', () => {
    expect(key.derived(13, 'encryption')).toBe(key.derived(13, 'encryption'));
    expect(key.derived(13, 'encryption')).not.toBe(key.derived(12, 'encryption'));
  });
});

test('an unknown enctype has no key', () => {
  expect(codeOf(() => Key.of(1, new Uint8Array(8)))).toBe('crypto.unsupported-enctype');
});

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return isKpropError(error) ? error.code : String(error);
  }
}

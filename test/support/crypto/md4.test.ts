import { expect, test } from 'vitest';

import { utf8 } from '../../../src/protocol/bytes.ts';
import { toHex, vectors } from '../../protocol/krb5/crypto/vectors.ts';
import { md4 } from './md4.ts';

interface Md4Vector {
  readonly source: string;
  readonly text: string;
  readonly expect: string;
}

test.each(vectors<Md4Vector>('md4'))('MD4 of "$text"', (row) => {
  expect(toHex(md4(utf8(row.text)))).toBe(row.expect);
});

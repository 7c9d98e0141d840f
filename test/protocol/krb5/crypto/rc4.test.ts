import { expect, test } from 'vitest';

import { Rc4 } from '../../../../src/protocol/krb5/crypto/rc4.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

interface Rc4Vector {
  readonly source: string;
  readonly key: string;
  readonly offset: number;
  readonly expect: string;
}

test.each(vectors<Rc4Vector>('rc4'))('RC4 keystream of $key at $offset', (row) => {
  const keystream = new Rc4(fromHex(row.key));
  keystream.apply(new Uint8Array(row.offset));
  const bytes = new Uint8Array(row.expect.length / 2);
  keystream.apply(bytes);
  expect(toHex(bytes)).toBe(row.expect);
});

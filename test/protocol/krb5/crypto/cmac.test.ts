import { expect, test } from 'vitest';

import { cmac } from '../../../../src/protocol/krb5/crypto/cmac.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

interface CmacVector {
  readonly source: string;
  readonly cipher: string;
  readonly key: string;
  readonly message: string;
  readonly expect: string;
}

test.each(vectors<CmacVector>('cmac'))('CMAC with $cipher over "$message"', (row) => {
  const message = fromHex(row.message);
  const [key, half] = [fromHex(row.key), message.length >> 1];
  expect(toHex(cmac(row.cipher, key, [message]))).toBe(row.expect);
  const halves = [message.subarray(0, half), message.subarray(half)];
  expect(toHex(cmac(row.cipher, key, halves))).toBe(row.expect);
});

import { expect, test } from 'vitest';

import { requirePermitted, requireWithin } from '../../../../src/protocol/krb5/session/validity.ts';

test('the times of a ticket hold to the second, give or take the skew', () => {
  const within = (now: number) => requireWithin({ startSeconds: 1000, endSeconds: 2000 }, now, 300);
  for (const now of [700, 1500, 2300]) within(now);
  expect(() => within(699)).toThrow(
    expect.objectContaining({
      code: 'auth.not-yet-valid',
      detail: { starts: '1970-01-01T00:16:40.000Z' },
    }),
  );
  expect(() => within(2301)).toThrow(
    expect.objectContaining({
      code: 'auth.expired',
      detail: { ended: '1970-01-01T00:33:20.000Z' },
    }),
  );
});

test('an enctype is permitted, or known, or neither', () => {
  requirePermitted(18, [17, 18]);
  expect(() => requirePermitted(18, [17])).toThrow(
    expect.objectContaining({
      code: 'crypto.not-permitted',
      detail: { enctype: 'aes256-cts-hmac-sha1-96' },
    }),
  );
  expect(() => requirePermitted(99, [99])).toThrow(
    expect.objectContaining({ code: 'crypto.unsupported-enctype' }),
  );
});

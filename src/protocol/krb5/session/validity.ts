import { KpropError } from '../../../errors/kprop-error.ts';
import { enctypeName, profileOf } from '../crypto/profiles.ts';

/**
 * Returns if a ticket is valid now, with the clock skew allowed for. Both sides check this.
 * @throws auth.not-yet-valid, auth.expired @see krb5 lib/krb5/krb/valid_times.c
 */
export function requireWithin(
  ticket: { readonly startSeconds: number; readonly endSeconds: number },
  nowSeconds: number,
  skewSeconds: number,
): void {
  const { startSeconds, endSeconds } = ticket;
  if (startSeconds > nowSeconds + skewSeconds) {
    throw new KpropError('auth.not-yet-valid', { starts: isoTime(startSeconds) });
  }
  if (endSeconds < nowSeconds - skewSeconds) {
    throw new KpropError('auth.expired', { ended: isoTime(endSeconds) });
  }
}

/** @throws crypto.unsupported-enctype, crypto.not-permitted */
export function requirePermitted(enctype: number, permitted: readonly number[]): void {
  profileOf(enctype);
  if (!permitted.includes(enctype)) {
    throw new KpropError('crypto.not-permitted', { enctype: enctypeName(enctype) });
  }
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

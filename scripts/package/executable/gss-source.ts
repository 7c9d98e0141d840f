import { KpropError } from '../../../src/errors/kprop-error.ts';

// In place of src/ticket/gss-source.ts: the npm package "kerberos" is not part of the packages.

/** @throws gss.unavailable */
export async function fetchThroughGss(): Promise<never> {
  const reason = 'kprop as a package of the system comes without it';
  const doing = `${reason} while getting initial credentials`;
  throw new KpropError('gss.unavailable', { reason }).during('credentials', doing);
}

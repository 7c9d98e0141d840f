import { KpropError } from '../errors/kprop-error.ts';
import { serviceByName } from './libc.ts';

/** IANA: krb_prop 754/tcp. MIT's programs do not start if the services database lacks krb5_prop. */
const defaultPort = 754;

/**
 * The number of a port given as such, as digits, or as a service name; `krb5_prop` unless given.
 * @throws network.unresolved for a service that the services database does not know
 */
export function propagationPort(host: string, port: number | string = 'krb5_prop'): number {
  if (typeof port === 'number') return port;
  // glibc's getaddrinfo takes for a number what strtoul does, including the empty string.
  if (/^[ \t\n\v\f\r]*\+?\d*$/.test(port)) return Number(port);
  const found = serviceByName(port) ?? (port === 'krb5_prop' ? defaultPort : undefined);
  if (found !== undefined) return found;
  throw new KpropError('network.unresolved', { host, reason: 'EAI_SERVICE' });
}

import { errnoText } from '../../errors/com-err.ts';
import { isKpropError, KpropError } from '../../errors/kprop-error.ts';
import { mitLines, mitText } from '../report.ts';

/**
 * What MIT's kpropd says about a failure, and where: with com_err, which writes to stderr with -d and
 * to the system log without; or always to that log; or always to stderr.
 */
export function failureLines(
  program: string,
  error: unknown,
): { readonly texts: readonly string[]; readonly to: 'com_err' | 'syslog' | 'stderr' } {
  if (!(error instanceof KpropError)) return { texts: mitLines(program, error), to: 'com_err' };
  const exec = (path: string, status: number) =>
    `${program}: ${path} returned a bad exit status (${status})`;
  // The event 'denied' has logged it already, as a warning.
  if (isKpropError(error, 'auth.denied')) return { texts: [], to: 'syslog' };
  if (isKpropError(error, 'server.timeout')) {
    return { texts: ['Full propagation timed out'], to: 'stderr' };
  }
  if (error.phase === 'authenticate') {
    const text = error.comErrText ?? error.message;
    return { texts: [`Error in krb5_recvauth: ${text}`], to: 'syslog' };
  }
  if (isKpropError(error, 'network.unresolved')) {
    return { texts: [`getaddrinfo: ${error.comErrText}`], to: 'stderr' };
  }
  // MIT's kpropd has not set up its log yet.
  const to = error.initializing ? 'stderr' : 'com_err';
  if (isKpropError(error, 'loader.missing')) {
    const text = `${program}: ${error.comErrText}`;
    return { texts: [text, exec(error.detail.path, 1)], to };
  }
  if (isKpropError(error, 'loader.failed')) {
    return { texts: [exec(error.detail.path, error.detail.status)], to };
  }
  if (isKpropError(error, 'loader.killed')) {
    return { texts: [`${program}: ${error.detail.path} load terminated`], to };
  }
  if (isKpropError(error, 'spool.busy')) {
    return { texts: [`${program}: ${errnoText('EAGAIN')} ${error.doing}`], to };
  }
  return { texts: [`${program}: ${mitText(error)}`], to };
}

import { ktadd } from '../errors/advice.ts';
import { isKpropError, KpropError } from '../errors/kprop-error.ts';
import { holderText } from '../host/lock-holder.ts';
import { adviseOnPlace } from '../host/place-advice.ts';
import type { Keytab } from '../protocol/krb5/formats/keytab.ts';
import { ownNameAdvice } from '../ticket/own-name-advice.ts';
import type { Replica } from './replica.ts';

/** The failure of a propagation with advice that takes a look at this host. It never throws. */
export function diagnosed(error: unknown, replica: Replica): unknown {
  if (!(error instanceof KpropError)) return error;
  if (isKpropError(error, 'auth.no-key') || isKpropError(error, 'auth.not-us')) {
    return adviseOnName(error, replica);
  }
  const missing = isKpropError(error, 'auth.no-keytab') && error.detail.errno === 'ENOENT';
  if (missing || isKpropError(error, 'keytab.format')) {
    const { path } = error.detail as { readonly path: string };
    const write = ktadd(path, `${replica.services[0]}`);
    return error.advise({ remedy: missing ? `run ${write}` : `run \`rm ${path}\`, then ${write}` });
  }
  if (isKpropError(error, 'spool.busy')) return adviseOnLock(error);
  // What reaches a replica as a KRB-ERROR is what its primary says.
  if (isKpropError(error, 'peer.refused')) {
    return error.advise({
      why: `the primary gave up: ${error.detail.text || `error ${error.detail.number}`}`,
      remedy: 'on the primary, read what kprop printed; nothing was loaded',
    });
  }
  return adviseOnPlace(error);
}

function adviseOnName(
  error: KpropError<'auth.no-key'> | KpropError<'auth.not-us'>,
  { services, config, realmGiven, keytab }: Replica,
): KpropError {
  let keys: Keytab;
  try {
    keys = keytab();
  } catch {
    return error;
  }
  const [principal] = services;
  const own = keys.entries.some((entry) => entry.principal.equals(principal));
  // The ticket is for another name, and the keytab has the one that we take for ours.
  if (own && isKpropError(error, 'auth.not-us')) return error;
  return error.advise(ownNameAdvice({ principal, keytab: keys, config, realmGiven }));
}

function adviseOnLock(error: KpropError<'spool.busy'>): KpropError {
  const { path } = error.detail;
  const holder = holderText(path);
  if (holder === undefined) return error;
  return error.advise({
    why: `${path} is locked by ${holder}`,
    remedy: 'wait for that propagation to end, then run kprop again',
  });
}

import { join } from 'node:path';

import { isKpropError } from 'kprop';

import type { ReplicaSettings, Settings } from '../config/settings.ts';
import { Canary } from '../run/canary.ts';
import { noteOf } from '../run/report.ts';
import { agoText } from '../show/words.ts';
import { isHeld } from '../state/state.ts';
import { type Examined, runKpropctl } from './examined.ts';
import { type Finding, failure, ok, unknown, warning } from './finding.ts';
import { inOrder } from './fix.ts';
import { isOwnKeyUnusable } from './own-key-check.ts';
import { isClientFault, isLockedService, ticketFix } from './ticket-fix.ts';

/** Which generation its own KDC has; without proof, which one it was last known to have. */
export async function generationCheck(
  replica: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { settings, krb5, state, environment } = o;
  const { host } = replica;
  const again = runKpropctl(o, `run ${host}`);
  if (settings.proof === undefined) return [lastConfirmed(host, o, again)];
  const wanted = state.dump?.generation ?? 0;
  if (wanted === 0) {
    return [warning(host, 'generation', 'nothing was sent to it by kpropctl yet', again)];
  }
  try {
    const canary = new Canary(settings, krb5, environment);
    const { generation, proved } = await canary.generationAt(replica, state);
    const doubt = `its KDC answers, with a key of ${settings.proof} that this host never made`;
    if (!proved) return [failure(host, 'generation', doubt, again)];
    if (generation < wanted && isHeld(state.holds[host], Date.now())) {
      return [ok(host, 'generation', `its KDC answers, and has generation ${generation}: held`)];
    }
    if (generation < wanted) {
      const what = `its KDC answers; whether it has generation ${wanted}: no, it has ${generation}`;
      return [failure(host, 'generation', what, again)];
    }
    return [ok(host, 'generation', `its KDC answers, and has generation ${generation}`)];
  } catch (error) {
    return [await noGeneration(error, replica, o)];
  }
}

/** Why a replica's KDC does not tell its generation; what other checks say has no fix here. */
async function noGeneration(
  error: unknown,
  { host, kdc }: ReplicaSettings,
  o: Examined,
): Promise<Finding> {
  const { settings } = o;
  const { message } = noteOf(error);
  const again = runKpropctl(o, `run ${host}`);
  if (isKpropError(error, 'kdc.unreachable') || isKpropError(error, 'kdc.unresolved')) {
    return unknown(host, 'generation', 'generation: not asked, for its KDC does not answer');
  }
  if (isKpropError(error, 'keytab.missing') && error.detail.path === canaryKeytab(settings)) {
    return unknown(host, 'generation', `generation: not known: ${message}`, runKpropctl(o, 'run'));
  }
  // Its own KDC may have an old key of this host, or an old state of it, and not the primary's.
  if (isClientFault(error) && (await isOwnKeyUnusable(o))) {
    const what = "generation: not asked, for this host's own key does not work: see above";
    return unknown(host, 'generation', what);
  }
  if (isLocked(error)) {
    const server = settings.proof ?? '';
    const fix = ticketFix(error, { client: '', server, serverHost: undefined }, o) ?? '';
    const what = `its KDC answers, and does not tell its generation: ${message}`;
    return unknown(host, 'generation', what, inOrder(fix, runKpropctl(o, 'run')));
  }
  // Its KDC answers: its database is from before the canary, or from before this host's key.
  if (isKpropError(error, 'kdc.error') || isKpropError(error, 'crypto.integrity')) {
    const what = `its KDC answers, from an older database: ${message}`;
    return failure(host, 'generation', what, again);
  }
  const what = `its KDC (${kdc}) could not be asked for its generation: ${message}`;
  return unknown(host, 'generation', what);
}

const canaryKeytab = ({ state }: Settings) => join(state, 'canary.keytab');

/** Whether the canary is there, and somebody has forbidden tickets for it. */
function isLocked(error: unknown): boolean {
  if (!isKpropError(error, 'kdc.error')) return false;
  const { number } = error.detail;
  // RFC 4120 §7.5.9: a service that has expired, or is none.
  return number === 2 || number === 27 || isLockedService(error);
}

function lastConfirmed(host: string, { state }: Examined, again: string): Finding {
  const known = state.replicas[host];
  const wanted = state.dump?.generation ?? 0;
  if (known?.has === undefined || known.has < wanted) {
    const what = `generation ${wanted} was not confirmed by it`;
    return warning(host, 'generation', what, again);
  }
  const when = agoText(known.lastSuccess, Date.now());
  return ok(host, 'generation', `generation ${known.has} was confirmed ${when} (proof = none)`);
}

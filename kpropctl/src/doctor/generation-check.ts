import { isKpropError } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { Canary } from '../run/canary.ts';
import { noteOf } from '../run/report.ts';
import { agoText } from '../show/words.ts';
import { isHeld } from '../state/state.ts';
import { type Examined, runKpropctl } from './examined.ts';
import { type Finding, failure, ok, unknown, warning } from './finding.ts';
import { run } from './fix.ts';

/** Which generation its own KDC has; without proof, which one it was last known to have. */
export async function generationCheck(
  replica: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { settings, krb5, state, environment, platform } = o;
  const { host, kdc } = replica;
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
    const { message } = noteOf(error);
    // Its KDC answers: its database is from before the canary, or from before this host's key.
    if (isKpropError(error, 'kdc.error') || isKpropError(error, 'crypto.integrity')) {
      const what = `its KDC answers, from an older database: ${message}`;
      return [failure(host, 'generation', what, again)];
    }
    const what = `its KDC (${kdc}) could not be asked for its generation: ${message}`;
    return [unknown(host, 'generation', what, run(`systemctl start ${platform.kdcUnit}`, host))];
  }
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

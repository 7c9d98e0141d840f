import { kdcClock } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { noteOf } from '../run/report.ts';
import { spanText } from '../show/words.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok, unknown, warning } from './finding.ts';
import { run } from './fix.ts';

/** The clock of a replica, as its own KDC shows it, against this host's. */
export async function clockCheck(
  { host, kdc }: ReplicaSettings,
  { krb5, settings, platform }: Examined,
): Promise<readonly Finding[]> {
  let aheadMillis: number;
  try {
    ({ aheadMillis } = await kdcClock({ kdc, realm: settings.realm, config: krb5 }));
  } catch (error) {
    const what = `clock: not known, for its KDC (${kdc}) could not be asked: ${noteOf(error).message}`;
    return [unknown(host, 'clock', what, run(`systemctl start ${platform.kdcUnit}`, host))];
  }
  const apart = Math.abs(aheadMillis);
  if (apart < warnMillis) return [ok(host, 'clock', `clock: ${(apart / 1000).toFixed(2)} s apart`)];
  const way = aheadMillis > 0 ? 'ahead of' : 'behind';
  const what = `clock: ${host} is ${spanText(apart)} ${way} this host`;
  const fix = run('chronyc makestep', host);
  const limitMillis = krb5.clockSkewSeconds * 1000;
  return [
    apart > limitMillis
      ? failure(host, 'clock', `${what}, and Kerberos allows ${spanText(limitMillis)}`, fix)
      : warning(host, 'clock', what, fix),
  ];
}

/** Hosts with a time service are milliseconds apart. */
const warnMillis = 10_000;

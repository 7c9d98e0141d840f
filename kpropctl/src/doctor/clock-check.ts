import { isKpropError, kdcClock } from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { noteOf } from '../run/report.ts';
import { spanText } from '../show/words.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok, unknown, warning } from './finding.ts';
import { run } from './fix.ts';
import { type HereKdc, isOwnKdc } from './here-kdc.ts';

/** The clock of a replica, as its own KDC shows it, against this host's. */
export async function clockCheck(
  replica: ReplicaSettings,
  o: Examined,
): Promise<readonly Finding[]> {
  const { host } = replica;
  let aheadMillis: number;
  try {
    aheadMillis = await aheadOf(replica, o);
  } catch (error) {
    return [unknown(host, 'clock', ...noAnswer(replica, error, o))];
  }
  const apart = Math.abs(aheadMillis);
  if (apart < warnMillis) return [ok(host, 'clock', `clock: ${(apart / 1000).toFixed(2)} s apart`)];
  const limitMillis = o.krb5.clockSkewSeconds * 1000;
  const tell = (what: string, fix: string) =>
    apart > limitMillis
      ? failure(host, 'clock', `${what}, and Kerberos allows ${spanText(limitMillis)}`, fix)
      : warning(host, 'clock', what, fix);
  const agreeing = await agreeingWith(aheadMillis, o);
  if (agreeing.length < 2) {
    const way = aheadMillis > 0 ? 'ahead of' : 'behind';
    const what = `clock: ${host} is ${spanText(apart)} ${way} this host`;
    return [tell(what, run('chronyc makestep', host))];
  }
  if (agreeing[0] !== host) {
    return [unknown(host, 'clock', "clock: not compared, for this host's is wrong: see above")];
  }
  const way = aheadMillis > 0 ? 'behind' : 'ahead of';
  const what = `clock: this host is ${spanText(apart)} ${way} its replicas, which agree with each other`;
  return [tell(what, run('chronyc makestep'))];
}

/** The replicas by which this host's clock is off alike; none if others tell another time. */
async function agreeingWith(aheadMillis: number, o: Examined): Promise<readonly string[]> {
  const asked = await Promise.all(
    o.settings.replicas.slice(0, enough).map(async (replica) => ({
      host: replica.host,
      ahead: await aheadOf(replica, o).catch(() => undefined),
    })),
  );
  const answered = asked.filter(({ ahead }) => ahead !== undefined);
  const agree = answered.every(({ ahead = 0 }) => Math.abs(ahead - aheadMillis) < warnMillis);
  return agree ? answered.map(({ host }) => host) : [];
}

async function aheadOf({ kdc }: ReplicaSettings, { krb5, settings }: Examined): Promise<number> {
  return (await kdcClock({ kdc, realm: settings.realm, config: krb5 })).aheadMillis;
}

/** That the KDC of a replica could not be asked, and what to do about it. */
function noAnswer({ host, kdc }: ReplicaSettings, error: unknown, o: Examined): [string, string] {
  if (isKpropError(error, 'kdc.unresolved')) {
    const fix = `correct kdc of ${host} in ${o.settings.file ?? 'the configuration'}, or publish its address in DNS: getent hosts ${error.detail.hosts[0]} asks for it`;
    return [`clock: not known, for the name of its KDC (${kdc}) does not resolve`, fix];
  }
  const silent = isKpropError(error, 'kdc.unreachable')
    ? `its KDC (${kdc}) does not answer`
    : `its KDC (${kdc}) could not be asked: ${noteOf(error).message}`;
  // One that hangs is not started by `start`.
  return [`clock: not known, for ${silent}`, run(`systemctl restart ${o.platform.kdcUnit}`, host)];
}

/** The clock of a replica, from its own side: against the KDCs that its krb5.conf names. */
export async function clockFindings(o: HereKdc): Promise<readonly Finding[]> {
  const { krb5: config, realm } = o;
  const asked = await Promise.all(
    [...new Set(config.kdcs(realm))].map(async (kdc) => {
      // Its own KDC has the same clock, whatever it shows.
      if (await isOwnKdc(kdc, o)) return [];
      const clock = { kdc, realm, config, timeoutSeconds: 3 };
      return kdcClock(clock).then(
        ({ aheadMillis }) => [{ kdc, aheadMillis }],
        () => [], // the check of the key tells it
      );
    }),
  );
  const clocks = asked.flat();
  const off = clocks.filter(({ aheadMillis }) => Math.abs(aheadMillis) >= warnMillis);
  const tell = (aheadMillis: number, what: string, fix: string) => {
    const limitMillis = config.clockSkewSeconds * 1000;
    return Math.abs(aheadMillis) > limitMillis
      ? failure('here', 'clock', `${what}, and Kerberos allows ${spanText(limitMillis)}`, fix)
      : warning('here', 'clock', what, fix);
  };
  const [first] = off;
  if (first !== undefined && off.length === clocks.length) {
    const way = first.aheadMillis > 0 ? 'behind' : 'ahead of';
    const kdcs = off.map(({ kdc }) => kdc).join(', ');
    const what = `clock: this host is ${spanText(Math.abs(first.aheadMillis))} ${way} the KDC ${kdcs}`;
    return [tell(first.aheadMillis, what, 'chronyc makestep')];
  }
  return clocks.map(({ kdc, aheadMillis }) => {
    const apart = Math.abs(aheadMillis);
    if (apart < warnMillis) {
      return ok(
        'here',
        'clock',
        `clock: ${(apart / 1000).toFixed(2)} s from that of the KDC ${kdc}`,
      );
    }
    const what = `clock: the KDC ${kdc} is ${spanText(apart)} ${aheadMillis > 0 ? 'ahead of' : 'behind'} this host`;
    return tell(aheadMillis, what, `on ${kdc.replace(/:\d+$/, '')}: chronyc makestep`);
  });
}

/** Hosts with a time service are milliseconds apart. */
const warnMillis = 10_000;
/** So many replicas tell whose clock is wrong. */
const enough = 5;

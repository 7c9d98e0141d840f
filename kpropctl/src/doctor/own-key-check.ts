import { statSync } from 'node:fs';

import { isKpropError, type ServiceKey, serviceKeyAt, servicePrincipals } from 'kprop';

import { noteOf } from '../run/report.ts';
import { type Examined, keytabOf } from './examined.ts';
import { type Finding, failure, ok, unknown } from './finding.ts';
import { inOrder, run } from './fix.ts';
import { isOwnKdc } from './here-kdc.ts';
import { ownNameCheck } from './own-name-check.ts';
import { askedText, isClientFault, renewOwnKey, ticketFix } from './ticket-fix.ts';

/** The key of the keytab against the KDC's: the KDC's ticket for this host must open with it. */
export async function ownKeyCheck(o: Examined): Promise<readonly Finding[]> {
  const { settings, krb5 } = o;
  const { realm } = settings;
  const [kdc] = krb5.kdcs(realm);
  if (kdc === undefined) {
    const what = `krb5.conf names no kdc for ${realm}, so none was asked`;
    const fix = `add kdc = HOST to [realms] ${realm} in ${krb5.files.at(-1) ?? '/etc/krb5.conf'}`;
    return [unknown('here', 'key', what, fix)];
  }
  const names = await servicePrincipals({ config: krb5, realm });
  const own = await ownKeyAt(kdc, names, o);
  if ('service' in own) {
    const { path } = keytabOf(o);
    return [keyFinding(own.service, own.key, o), ...modeOf(path)];
  }
  // With the right name, the keytab may have the key.
  if (isKpropError(own.fault, 'keytab.no-key') && (await isNameWrong(o))) {
    return [unknown('here', 'key', 'key: not asked, for the name is wrong: see above')];
  }
  const [client = ''] = names;
  const isElsewhere =
    isKpropError(own.fault, 'kdc.unreachable') && !(await isOwnKdc(kdc, { krb5, realm }));
  const fix = isElsewhere
    ? run(`systemctl restart ${o.platform.kdcUnit}`, kdc.replace(/:\d+$/, ''))
    : ticketFix(own.fault, { client, server: client, serverHost: undefined }, o);
  return [failure('here', 'key', askedText(own.fault, kdc), fix ?? noteOf(own.fault).remedy)];
}

/** Whether this host's own key is of no use, which its check says. */
export async function isOwnKeyUnusable(o: Examined): Promise<boolean> {
  const { realm } = o.settings;
  const [kdc] = o.krb5.kdcs(realm);
  if (kdc === undefined) return false;
  const own = await ownKeyAt(kdc, await servicePrincipals({ config: o.krb5, realm }), o);
  return 'fault' in own && isClientFault(own.fault);
}

type OwnKey =
  /** The key of the KDC; undefined if this host is not allowed to be a service. */
  { readonly service: string; readonly key: ServiceKey | undefined } | { readonly fault: unknown };

async function ownKeyAt(kdc: string, names: readonly string[], o: Examined): Promise<OwnKey> {
  const { settings, krb5 } = o;
  const serviceKeytab = keytabOf(o).name;
  const asked = { kdc, config: krb5, keytab: settings.keytab, serviceKeytab };
  let fault: unknown;
  for (const client of names) {
    try {
      return { service: client, key: await serviceKeyAt({ ...asked, service: client, client }) };
    } catch (error) {
      fault ??= error;
      if (!isKpropError(error, 'kdc.error') || error.detail.number !== notAServiceNumber) continue;
    }
    try {
      const { realm } = settings;
      await serviceKeyAt({ ...asked, service: `krbtgt/${realm}@${realm}`, client });
      return { service: client, key: undefined };
    } catch (error) {
      fault = error;
    }
  }
  return { fault };
}

async function isNameWrong(o: Examined): Promise<boolean> {
  return (await ownNameCheck(o)).some(({ state }) => state === 'failure');
}

function keyFinding(service: string, key: ServiceKey | undefined, o: Examined): Finding {
  const { path } = keytabOf(o);
  if (key === undefined) {
    const what = `${service} is in the keytab with a key that the KDC takes; it has -allow_svr, which kprop does not mind`;
    return ok('here', 'key', what);
  }
  const { kvno, enctype, proved } = key;
  if (proved) {
    const what = `${service} is in the keytab with the KDC's key version ${kvno} (${enctype})`;
    return ok('here', 'key', what);
  }
  return failure(
    ...(['here', 'key'] as const),
    `the KDC has version ${kvno} of the key of ${service}, and ${path} has another`,
    inOrder(...renewOwnKey(service, o)),
  );
}

/** Whoever reads the keytab of this host can send a database to all replicas. */
function modeOf(path: string): readonly Finding[] {
  const mode = (statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return [];
  const what = `${path} has mode ${mode.toString(8)}: others can read the key of this host`;
  return [failure('here', 'key', what, run(`chmod 600 ${path}`))];
}

/** KDC_ERR_MUST_USE_USER2USER, by which MIT's KDC means -allow_svr (RFC 4120 §7.5.9). */
const notAServiceNumber = 27;

import { statSync } from 'node:fs';

import { type ServiceKey, serviceKeyAt, servicePrincipals } from 'kprop';

import { noteOf } from '../run/report.ts';
import { type Examined, keytabOf } from './examined.ts';
import { type Finding, failure, ok, unknown } from './finding.ts';
import { inOrder, run } from './fix.ts';
import { renewOwnKey, ticketFix } from './ticket-fix.ts';

/** The key of the keytab against the KDC's: the KDC's ticket for this host must open with it. */
export async function ownKeyCheck(o: Examined): Promise<readonly Finding[]> {
  const { settings, krb5 } = o;
  const { realm } = settings;
  const { name: keytab, path } = keytabOf(o);
  const [kdc] = krb5.kdcs(realm);
  if (kdc === undefined) {
    const what = `krb5.conf names no kdc for ${realm}, so none was asked`;
    const fix = `add kdc = HOST to [realms] ${realm} in ${krb5.files.at(-1) ?? '/etc/krb5.conf'}`;
    return [unknown('here', 'key', what, fix)];
  }
  const names = await servicePrincipals({ config: krb5, realm });
  let fault: unknown;
  for (const service of names) {
    try {
      const asked = { kdc, service, client: service, config: krb5, keytab: settings.keytab };
      const key = await serviceKeyAt({ ...asked, serviceKeytab: keytab });
      return [keyFinding(service, key, o), ...modeOf(path)];
    } catch (error) {
      fault ??= error;
    }
  }
  const [client = ''] = names;
  const { message, remedy } = noteOf(fault);
  const fix = ticketFix(fault, { client, server: client, serverHost: undefined }, o) ?? remedy;
  return [failure('here', 'key', `${message} (asked ${kdc})`, fix)];
}

function keyFinding(service: string, { kvno, enctype, proved }: ServiceKey, o: Examined): Finding {
  if (proved) {
    const what = `${service} is in the keytab with the KDC's key version ${kvno} (${enctype})`;
    return ok('here', 'key', what);
  }
  const { path } = keytabOf(o);
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

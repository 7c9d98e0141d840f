import { statSync } from 'node:fs';
import { hostname } from 'node:os';

import { inspectDump, type Krb5Config, serviceKeyAt } from 'kprop';

import type { Settings } from '../config/settings.ts';
import { notPrimary } from '../run/primary.ts';
import { agoText, countText } from '../show/words.ts';
import { type Finding, failed, failure, ok, unknown, warning } from './finding.ts';

/** What can be wrong with this host. */
export async function primaryChecks(
  settings: Settings,
  krb5: Krb5Config,
): Promise<readonly Finding[]> {
  return Promise.all([role(settings), ownKey(settings, krb5), dump(settings, krb5)]);
}

async function role(settings: Settings): Promise<Finding> {
  const fault = notPrimary(settings);
  if (fault !== undefined) return failure('here', 'role', fault.message, fault.remedy);
  const named = settings.primary === undefined ? '' : ', and primary names this host';
  return ok('here', 'role', `this is a primary: kadmind runs here${named}`);
}

/** The key of the keytab against the KDC's: the KDC's ticket for this host must open with it. */
async function ownKey(settings: Settings, krb5: Krb5Config): Promise<Finding> {
  const [kdc] = krb5.kdcs(settings.realm);
  if (kdc === undefined) {
    return unknown(
      'here',
      'key',
      `krb5.conf names no kdc for ${settings.realm}, so none was asked`,
    );
  }
  const service = `host/${hostname().toLowerCase()}@${settings.realm}`;
  const keytab = settings.keytab ?? krb5.defaultKeytabName ?? 'FILE:/etc/krb5.keytab';
  try {
    const { kvno, enctype, proved } = await serviceKeyAt({
      ...{ kdc, service, config: krb5, keytab: settings.keytab },
      serviceKeytab: keytab,
    });
    if (proved)
      return ok(
        'here',
        'key',
        `${service} is in the keytab with the KDC's key version ${kvno} (${enctype})`,
      );
    return failure(
      'here',
      'key',
      `the KDC has version ${kvno} of the key of ${service}, and ${keytab} has another`,
      `kadmin -q "ktadd -k ${keytab.replace(/^FILE:/, '')} ${service}" on this host`,
    );
  } catch (error) {
    return failed('here', 'key', error);
  }
}

async function dump(
  { dump: path, realm, maxAgeSeconds }: Settings,
  krb5: Krb5Config,
): Promise<Finding> {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined)
    return warning('here', 'dump', `there is no dump yet (${path})`, 'kpropctl run makes one');
  try {
    const masterKey = krb5.masterKeyName(realm);
    const { principals, complete, masterKvno } = await inspectDump(path, { masterKey });
    if (!complete) return failure('here', 'dump', `${path} is not whole`, 'kpropctl run');
    if (masterKvno === undefined) {
      return failure(
        'here',
        'dump',
        `${path} has no entry of the master key`,
        'look at the database of this host',
      );
    }
    const age = agoText(stats.mtime.toISOString(), Date.now());
    const what = `dump: ${countText(principals)} principals, the master key present, whole, made ${age}`;
    const isOld = Date.now() - stats.mtimeMs > maxAgeSeconds * 1000;
    return isOld
      ? warning('here', 'dump', what, 'does kpropctl run? kpropctl run makes a new one')
      : ok('here', 'dump', what);
  } catch (error) {
    return failed('here', 'dump', error);
  }
}

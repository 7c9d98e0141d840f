import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';

import {
  configFilesOf,
  isKpropError,
  readDefaultPaths,
  serviceKeyAt,
  servicePrincipals,
} from 'kprop';

import type { ReplicaSettings } from '../config/settings.ts';
import { type Examined, keytabOf, runKadminLocal } from './examined.ts';
import { type Finding, failure, ok, unknown } from './finding.ts';
import { addBelow, addLine, inOrder, run } from './fix.ts';
import { mayAskForUpdates } from './kadm-acl.ts';
import { isLockedService } from './ticket-fix.ts';

/** Whether this host offers incremental propagation, and can. */
export async function ipropHere(o: Examined): Promise<readonly Finding[]> {
  const { krb5, settings } = o;
  const { realm } = settings;
  if (!krb5.ipropEnable(realm)) {
    return [ok('here', 'iprop', 'incremental propagation is off here: replicas get whole dumps')];
  }
  const port = krb5.ipropPort(realm);
  if (port === undefined) {
    const what = `iprop_enable is set for ${realm}, and iprop_port is not: kadmind serves no updates`;
    const place = krb5.relations('realms', realm, 'iprop_enable').at(-1);
    if (place === undefined) return [unknown('here', 'iprop', what)];
    return [failure('here', 'iprop', what, addBelow(place, '    iprop_port = 2121'))];
  }
  const [principal = ''] = await servicePrincipals({ config: krb5, realm, service: 'kiprop' });
  const state = await existence(principal, o);
  if (state === 'locked') return [failure('here', 'iprop', ...unlocking(principal, o))];
  if (state === 'no') {
    const what = `${principal} does not exist, so no replica can ask for updates`;
    const fix = runKadminLocal(o, `addprinc -randkey ${principal}`);
    return [failure('here', 'iprop', what, fix)];
  }
  if (!(await answers(port))) {
    const what = `iprop_enable is set, and kadmind does not answer on iprop_port ${port}`;
    const fix = run(`systemctl restart ${o.platform.kadmindUnit}`);
    return [failure('here', 'iprop', what, fix)];
  }
  return [ok('here', 'iprop', `incremental propagation is on: ${principal}, port ${port}`)];
}

/** Whether a replica could ask for updates. Whether it does is seen on the replica alone. */
export async function ipropAt({ host }: ReplicaSettings, o: Examined): Promise<readonly Finding[]> {
  const { krb5, settings } = o;
  if (!krb5.ipropEnable(settings.realm)) return [];
  const named = { config: krb5, realm: settings.realm, host, service: 'kiprop' };
  const [principal = ''] = await servicePrincipals(named);
  switch (await existence(principal, o)) {
    case 'locked':
      return [failure(host, 'iprop', ...unlocking(principal, o))];
    case 'yes':
      if (!mayPoll(principal, o)) {
        const line = `${principal} p`;
        const what = `${kadmAclOf(o)} does not let ${principal} ask for updates`;
        const fix = inOrder(
          addLine(kadmAclOf(o), line),
          run(`systemctl restart ${o.platform.kadmindUnit}`),
        );
        return [failure(host, 'iprop', what, fix)];
      }
      return [
        ok(host, 'iprop', `${principal} exists: it can ask for updates; dumps are pushed, too`),
      ];
    case 'no':
      return [
        failure(
          ...([host, 'iprop', `${principal} does not exist: it cannot ask for updates`] as const),
          inOrder(
            runKadminLocal(o, `addprinc -randkey ${principal}`),
            run(`kadmin -q "ktadd ${principal}"`, host),
          ),
        ),
      ];
    default:
      return [unknown(host, 'iprop', `whether ${principal} exists could not be asked`)];
  }
}

/** What is wrong with a principal that is locked, and the fix. */
function unlocking(principal: string, o: Examined): readonly [string, string] {
  const fix = runKadminLocal(o, `modprinc +allow_tix ${principal}`);
  return [`${principal} is locked: nobody gets a ticket for it`, fix];
}

/** kadmind's ACL; `acl_file` of the realm, or beside kdc.conf. */
function kadmAclOf({ krb5, settings, environment }: Examined): string {
  const paths = readDefaultPaths();
  const kdcConf = configFilesOf(environment, paths).kdcConfFile || paths.kdcConf;
  return krb5.first('realms', settings.realm, 'acl_file') ?? `${dirname(kdcConf)}/kadm5.acl`;
}

/** Whether kadmind's ACL has the privilege p for a principal; one that cannot be read tells nothing. */
function mayPoll(principal: string, o: Examined): boolean {
  try {
    return mayAskForUpdates(readFileSync(kadmAclOf(o), 'utf8'), {
      principal,
      realm: o.settings.realm,
    });
  } catch {
    return true;
  }
}

/** Whether a service is in the database, by asking for a ticket for it. */
async function existence(
  service: string,
  o: Examined,
): Promise<'yes' | 'no' | 'locked' | 'unknown'> {
  const [kdc] = o.krb5.kdcs(o.settings.realm);
  if (kdc === undefined) return 'unknown';
  const { name } = keytabOf(o);
  try {
    const asked = { kdc, service, config: o.krb5, keytab: o.settings.keytab };
    await serviceKeyAt({ ...asked, serviceKeytab: name });
    return 'yes';
  } catch (error) {
    if (!isKpropError(error, 'kdc.error') || error.detail.number !== serviceUnknown)
      return 'unknown';
    return isLockedService(error) ? 'locked' : 'no';
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: 'localhost', port, timeout: connectMillis });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}

const serviceUnknown = 7; // KDC_ERR_S_PRINCIPAL_UNKNOWN, RFC 4120 §7.5.9
const connectMillis = 3_000;

import { statSync } from 'node:fs';
import { dirname } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { headerMagic } from '../../kdb/ulog/layout.ts';
import { LogFile } from '../../kdb/ulog/log-file.ts';
import { ownPrincipals } from '../../ticket/own-principals.ts';
import { readSections } from '../status/status-file.ts';
import type { CheckedSite } from './checked-site.ts';
import { type CheckFinding, failure, ok } from './finding.ts';
import { folderFault } from './folder-access.ts';
import { ktadd } from './keytab-check.ts';
import { readOwnKeys } from './own-keys.ts';
import { shellWord } from './shell-word.ts';

/** What incremental propagation needs on a replica. */
export async function ipropChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { config, realm } = site;
  if (!config.ipropEnable(realm)) {
    return [ok('iprop', 'iprop_enable is not set: this replica gets whole databases only')];
  }
  const findings = [
    ...settingFindings(site),
    ...(await keyFindings(site)),
    ...logFindings(site),
    ...(await pollFindings(site)),
  ];
  return findings.length > 0
    ? findings
    : [ok('iprop', `updates are polled from ${site.primary}; its log and its key are in order`)];
}

function settingFindings({ config, realm, primary }: CheckedSite): readonly CheckFinding[] {
  const findings: CheckFinding[] = [];
  const where = (file: string) => `write under ${realm} in [realms] of ${file}:`;
  if (primary === undefined) {
    const what = 'iprop_enable is set, and no admin_server says whom to poll';
    findings.push(failure('iprop', what, `${where('krb5.conf')} admin_server = PRIMARY`));
  }
  if (config.ipropPort(realm) === undefined) {
    const what = 'iprop_enable is set, and no iprop_port says where the primary answers';
    findings.push(failure('iprop', what, `${where('kdc.conf')} iprop_port = 2121`));
  }
  return findings;
}

async function keyFindings(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const clients = await ownPrincipals('kiprop', site.realm, site.config);
  let held = false;
  try {
    const { keytab } = readOwnKeys(site);
    held = clients.some((client) => keytab.enctypesOf(client).length > 0);
  } catch {
    return []; // the check of the keytab says why
  }
  if (held) return [];
  const what = `${site.keytab} has no key of ${clients[0]}, with which updates are polled`;
  return [failure('iprop', what, ktadd(site, `${clients[0]}`))];
}

/** What the kpropd of this host has noted of its polls. */
async function pollFindings({ options }: CheckedSite): Promise<readonly CheckFinding[]> {
  const { incremental } = await readSections(`${options.file}.status`);
  const { lastError, inStep } = incremental ?? {};
  if (lastError === undefined) return [];
  const since = inStep === undefined ? '' : `; all updates were here last at ${inStep}`;
  const what = `the poll of ${lastError.at} failed: ${lastError.message}${since}`;
  return [failure('iprop', what, lastError.remedy || 'journalctl -t kpropd')];
}

function logFindings({ config, realm, database, options }: CheckedSite): readonly CheckFinding[] {
  const builtIn = options.incremental?.builtInDatabase ?? database ?? '';
  const { path, slots } = config.updateLog(realm, builtIn);
  const folder = folderFault('iprop', dirname(path), 'the update log');
  if (folder !== undefined) return [folder];
  const stats = statSync(path, { throwIfNoEntry: false });
  // kpropd makes it.
  if (stats === undefined) return [];
  const anew = `rm -r ${shellWord(path)}`;
  if (!stats.isFile()) return [failure('iprop', `the update log ${path} is not a file`, anew)];
  try {
    const log = new LogFile(path, slots);
    const magic = log.header()?.magic;
    log.close();
    // A log of zeros is one that nobody has written to.
    if (magic === headerMagic || magic === 0) return [];
    const what = `${path} is not an update log: kpropd makes a new one, after a full propagation`;
    return [failure('iprop', what, anew)];
  } catch (error) {
    const what = `the update log ${path} cannot be read: ${errnoText(errnoOf(error))}`;
    return [failure('iprop', what, `chown ${process.geteuid?.() ?? 0} ${shellWord(path)}`)];
  }
}

import { aclChecks } from './acl-check.ts';
import { type CheckedSite, type CheckReplicaOptions, describeSite } from './checked-site.ts';
import { databaseChecks } from './database-check.ts';
import { type CheckFinding, type CheckName, failed, unknown } from './finding.ts';
import { ipropChecks } from './iprop-check.ts';
import { keytabChecks } from './keytab-check.ts';
import { loaderChecks } from './loader-check.ts';
import { nameChecks } from './name-check.ts';
import { portChecks } from './port-check.ts';
import { serviceChecks } from './service-check.ts';
import { spaceChecks } from './space-check.ts';
import { spoolChecks } from './spool-check.ts';
import { stashChecks } from './stash-check.ts';
import { withinLimit } from './time-limit.ts';
import { unitChecks } from './unit-check.ts';

/**
 * What is right and wrong on this replica, before a primary finds out: its own name, keytab, ACL, stash
 * file, database, spool, free space, loader, port, unit and incremental propagation, as kpropd with
 * these options would meet them. The checks run side by side. Nothing is changed or written, no server
 * is asked but the resolver, and each check ends in time: it never throws, and never hangs.
 */
export async function checkReplica(options: CheckReplicaOptions): Promise<readonly CheckFinding[]> {
  const limitMillis = options.limitMillis ?? 5_000;
  const limited = (check: CheckName, work: Promise<readonly CheckFinding[]>) =>
    withinLimit(
      limitMillis,
      work.catch((error: unknown) => [failed(check, error)]),
      () => [tooSlow(check, limitMillis)],
    );
  const site = await withinLimit<CheckedSite | CheckFinding>(
    limitMillis,
    describeSite(options).catch((error: unknown) => failed('configuration', error)),
    () => tooSlow('configuration', limitMillis),
  );
  if ('check' in site) return [site];
  // While this is still root: the port may be one of those that only root can bind.
  const port = await limited('port', portChecks(site));
  const user = becomeServerUser(options);
  const found = await Promise.all(
    checks.map(([check, run]) => limited(check, Promise.resolve(site).then(run))),
  );
  return [...found.flat(), ...port, ...user];
}

const checks: readonly [CheckName, (site: CheckedSite) => Promise<readonly CheckFinding[]>][] = [
  ['name', nameChecks],
  ['keytab', keytabChecks],
  ['ACL', aclChecks],
  ['stash', stashChecks],
  ['database', databaseChecks],
  ['spool', spoolChecks],
  ['space', spaceChecks],
  ['loader', loaderChecks],
  ['iprop', ipropChecks],
  ['unit', unitChecks],
  ['service', serviceChecks],
];

function becomeServerUser({ onListening }: CheckReplicaOptions): readonly CheckFinding[] {
  try {
    onListening?.();
    return [];
  } catch (error) {
    return [failed('user', error)];
  }
}

function tooSlow(check: CheckName, limitMillis: number): CheckFinding {
  const where = check === 'name' || check === 'configuration' ? 'resolver' : 'file system';
  return unknown(
    check,
    `not found out within ${limitMillis / 1000} s: a ${where} that does not answer`,
    where === 'resolver' ? 'getent hosts $(hostname)' : 'df',
  );
}

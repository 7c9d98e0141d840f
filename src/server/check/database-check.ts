import { statSync } from 'node:fs';
import { dirname } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { databaseParts } from '../../kdb/db2/contents.ts';
import { faultOfOpening } from '../../kdb/db2/soundness.ts';
import { previous } from '../load/publication.ts';
import type { CheckedSite } from './checked-site.ts';
import { exposureFindings } from './exposure-check.ts';
import { type CheckFinding, failure, ok, warning } from './finding.ts';
import { folderFault } from './folder-access.ts';

/** The database and its folder. */
export async function databaseChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { database, realm, library } = site;
  if (library !== 'db2') {
    return [ok('database', `the database library is ${library}: its files were not looked at`)];
  }
  if (database === undefined) {
    const what = `nobody says where the database of ${realm} is`;
    const fix = `write under ${realm} in [realms] of kdc.conf: database_name = /PATH`;
    return [failure('database', what, fix)];
  }
  const folder = folderFault('database', dirname(database), 'the database');
  const files = databaseParts.flatMap((part) =>
    ['', previous].map((end) => ({ kind: 'database' as const, path: database + part + end })),
  );
  return [
    ...(folder === undefined ? [] : [folder]),
    await stateOf(database, propagateAgain(site)),
    ...exposureFindings('database', files),
  ];
}

/** The command that brings a database, for the primary. */
export function propagateAgain({ primary, services }: CheckedSite): string {
  const { components } = services[0];
  return `on ${primary ?? 'the primary'}: kprop ${components[1]}`;
}

async function stateOf(database: string, again: string): Promise<CheckFinding> {
  if (statSync(database, { throwIfNoEntry: false }) === undefined) {
    const what = `there is no database ${database} yet: the first propagation makes it`;
    return warning('database', what, again);
  }
  for (const part of databaseParts) {
    const path = database + part;
    const fault = await faultOfOpening(path).catch((error: unknown) => errnoText(errnoOf(error)));
    if (fault !== undefined) {
      return failure('database', `${path} cannot be opened: ${fault}`, again);
    }
  }
  return ok('database', `${database} can be opened`);
}

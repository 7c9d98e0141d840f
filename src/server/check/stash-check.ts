import { closeSync, openSync, statSync } from 'node:fs';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { Db2Damage } from '../../kdb/db2/page-window.ts';
import { type FoundEntry, masterEntryOfDatabase } from '../../kdb/master-key/find-entry.ts';
import { opensMasterKey } from '../../kdb/master-key/opening.ts';
import { readStash, type Stash, type StashedKey } from '../../kdb/master-key/stash.ts';
import { enctypeName } from '../../protocol/krb5/crypto/profiles.ts';
import type { CheckedSite } from './checked-site.ts';
import { exposureFindings } from './exposure-check.ts';
import { type CheckFinding, failure, ok, unknown } from './finding.ts';
import { shellWord } from './shell-word.ts';

/** Whether krb5kdc can open the database: the stash file holds its master key. */
export async function stashChecks(site: CheckedSite): Promise<readonly CheckFinding[]> {
  const { stash: path, primary = 'PRIMARY', config, realm } = site;
  if (path === undefined) {
    const fix = `write under ${realm} in [realms] of kdc.conf: key_stash_file = /PATH`;
    return [unknown('stash', 'nobody says where the stash file is', fix)];
  }
  const copy = `scp -p ${shellWord(`${primary}:${path}`)} ${shellWord(path)}`;
  const stash = stashAt(path, config.masterKeyName(realm));
  switch (stash.is) {
    case 'absent':
      return [failure('stash', `there is no stash file ${path}: krb5kdc does not start`, copy)];
    case 'unusable':
      return [failure('stash', `the stash file ${path} is of no use: ${stash.reason}`, copy)];
    case 'key':
      return [
        judged(site, stash.stashed, copy),
        ...exposureFindings('stash', [{ kind: 'stash file', path }]),
      ];
  }
}

function stashAt(path: string, masterKeyName: string): Stash {
  try {
    // Opening a FIFO would never end.
    if (statSync(path).isFile()) return readStash(path, masterKeyName);
    return { is: 'unusable', reason: 'it is not a file' };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === '') throw error;
    return errno === 'ENOENT' ? { is: 'absent' } : { is: 'unusable', reason: errnoText(errno) };
  }
}

function judged(site: CheckedSite, stashed: StashedKey, copy: string): CheckFinding {
  const { config, realm, library } = site;
  const { path } = stashed;
  const name = config.masterKeyName(realm);
  const database = library === 'db2' ? site.database : undefined;
  const found = database === undefined ? 'absent' : entryOf(database, name);
  if (found === 'absent') return ok('stash', `${path} has a key; there is no database to open yet`);
  // The check of the database says why.
  if (found === 'damaged') {
    return ok('stash', `${path} has a key; the database cannot be read, so nothing more is known`);
  }
  if (found.is !== 'found') {
    const what = `the database has no usable entry ${name}: krb5kdc cannot serve it`;
    return failure('stash', what, `on ${site.primary ?? 'the primary'}: kdb5_util list_mkeys`);
  }
  switch (opensMasterKey(stashed, found.entry)) {
    case true:
      return ok('stash', `${path} opens ${name} of the database`);
    case undefined: {
      const what = `${path} has a key of ${enctypeName(stashed.enctype)}, which cannot be tried here`;
      return unknown('stash', what, `kdb5_util -r ${realm} list_mkeys`);
    }
    case false:
      return failure(
        'stash',
        `${path} does not open ${name} of the database: krb5kdc cannot serve it`,
        copy,
      );
  }
}

function entryOf(database: string, name: string): FoundEntry | 'absent' | 'damaged' {
  if (statSync(database, { throwIfNoEntry: false }) === undefined) return 'absent';
  // A page that a KDC writes at this moment may look damaged once.
  for (let tries = 3; tries > 0; tries -= 1) {
    let fd: number | undefined;
    try {
      fd = openSync(database, 'r');
      return masterEntryOfDatabase(fd, name);
    } catch (error) {
      if (!(error instanceof Db2Damage) && errnoOf(error) === '') throw error;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
  return 'damaged';
}

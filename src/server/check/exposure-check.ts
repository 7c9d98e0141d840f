import { statSync } from 'node:fs';
import { dirname } from 'node:path';

import { exposureOf, type WatchedFile } from '../../host/exposed-files.ts';
import { type CheckFinding, type CheckName, warning } from './finding.ts';
import { shellWord } from './shell-word.ts';

/** Warnings about files that others can get at: by their mode, or because the files are theirs. */
export function exposureFindings(
  check: CheckName,
  files: readonly WatchedFile[],
): readonly CheckFinding[] {
  return files.flatMap((file) => {
    const exposed = exposureOf(file);
    if (exposed !== undefined) return [warning(check, exposed.what, exposed.remedy)];
    const owner = foreignOwner(file.path);
    if (owner === undefined) return [];
    const what = `the ${file.kind} ${file.path} belongs to the user ${owner}`;
    return [warning(check, what, `chown root ${shellWord(file.path)}`)];
  });
}

/** The uid of the owner, if that is neither root, nor this user, nor whose folder it is. */
function foreignOwner(path: string): number | undefined {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid;
  if (uid === undefined || uid === 0 || uid === process.geteuid?.()) return undefined;
  return uid === statSync(dirname(path)).uid ? undefined : uid;
}

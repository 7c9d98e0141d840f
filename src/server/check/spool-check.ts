import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { errnoOf, errnoText } from '../../errors/com-err.ts';
import { folderExposureOf } from '../../host/exposed-files.ts';
import type { CheckedSite } from './checked-site.ts';
import { exposureFindings } from './exposure-check.ts';
import { type CheckFinding, failure, ok, warning } from './finding.ts';
import { folderFault } from './folder-access.ts';
import { shellWord } from './shell-word.ts';

/** Where received dumps are put. */
export async function spoolChecks({ options }: CheckedSite): Promise<readonly CheckFinding[]> {
  const { file } = options;
  const folder = dirname(file);
  const fault = folderFault('spool', folder, 'the received dump') ?? fileFault(file);
  if (fault !== undefined) return [fault];
  const exposed = folderExposureOf(folder);
  return [
    ok('spool', `dumps are received into ${file}`),
    ...(exposed === undefined ? [] : [warning('spool', exposed.what, exposed.remedy)]),
    ...exposureFindings('spool', [
      { kind: 'dump', path: file },
      { kind: 'dump', path: `${file}.temp` },
    ]),
  ];
}

/** A dump is renamed over the last one, and written into a temporary file before. */
function fileFault(file: string): CheckFinding | undefined {
  for (const path of [file, `${file}.temp`]) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (!stats.isFile()) {
      return failure(
        'spool',
        `${path} is in the way: it is not a file`,
        `mv ${shellWord(path)} ${shellWord(`${path}.old`)}`,
      );
    }
    try {
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch (error) {
      const what = `kpropd cannot write ${path}: ${errnoText(errnoOf(error))}`;
      return failure('spool', what, `rm ${shellWord(path)}`);
    }
  }
  return undefined;
}

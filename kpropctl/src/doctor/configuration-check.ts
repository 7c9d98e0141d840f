import type { Complaint } from '../config/complaints.ts';
import { defaultFile } from '../config/settings.ts';
import type { Examined } from './examined.ts';
import { type Finding, failure, ok } from './finding.ts';
import { writeLine } from './fix.ts';

/** What `kpropctl check` complains about. */
export function configurationFindings(complaints: readonly Complaint[]): readonly Finding[] {
  return complaints.map(({ file, line, problem, advice, instead }) => {
    const what = `${file}${line > 0 ? `, line ${line}` : ''}: ${problem}`;
    const fix = instead === undefined ? advice : writeLine({ file, line }, instead);
    return failure('here', 'configuration', what, fix === '' ? 'see kpropctl init' : fix);
  });
}

/** A configuration that could be read. */
export function soundConfiguration({ settings }: Examined): Finding {
  const { file, replicas } = settings;
  const count = `${replicas.length} ${replicas.length === 1 ? 'replica' : 'replicas'}`;
  const from = file === undefined ? `there is no ${defaultFile}, so defaults` : file;
  return ok('here', 'configuration', `configuration: ${from}, ${count}`);
}

import { hostname } from 'node:os';

import { type GlobalOptions, load, type Surroundings } from '../commands.ts';
import { oneLine } from '../show/words.ts';
import { readState } from '../state/state.ts';
import { type Diagnosis, diagnosisOf, type Finding } from './finding.ts';
import { primaryChecks } from './primary-checks.ts';
import { replicaChecks } from './replica-checks.ts';

export interface DoctorFlags extends GlobalOptions {
  readonly json?: boolean;
}

/** Looks for what is wrong, from the primary; changes nothing. Exit 0 sound, 1 something is doubtful, 2 wrong. */
export async function doctorCommand(
  hosts: readonly string[],
  flags: DoctorFlags,
  around: Surroundings,
): Promise<number> {
  const { settings, krb5 } = load(flags, around, hosts);
  const state = readState(settings.state, () => undefined);
  const { environment } = around;
  const all = await Promise.all([
    primaryChecks(settings, krb5),
    ...settings.replicas.map((replica) =>
      replicaChecks(replica, { settings, krb5, state, environment }),
    ),
  ]);
  const diagnosis = diagnosisOf(all.flat());
  around.out.write(
    flags.json === true ? `${JSON.stringify(diagnosis)}\n` : diagnosisText(diagnosis),
  );
  return diagnosis.exit;
}

const marks = { ok: '✓', warning: '!', failure: '✗', unknown: '?' } as const;

function diagnosisText({ findings }: Diagnosis): string {
  const lines: string[] = [];
  let on = '';
  for (const finding of findings) {
    if (finding.on !== on) {
      on = finding.on;
      lines.push(on === 'here' ? `${hostname()} (here)` : on);
    }
    lines.push(...linesOf(finding));
  }
  const problems = findings.filter(({ state }) => state === 'failure').length;
  lines.push(
    problems === 0 ? 'no problems.' : problems === 1 ? '1 problem.' : `${problems} problems.`,
  );
  return `${lines.join('\n')}\n`;
}

function linesOf({ state, what, fix }: Finding): readonly string[] {
  const line = `  ${marks[state]} ${oneLine(what)}`;
  return fix === '' ? [line] : [line, `      ${oneLine(fix)}`];
}

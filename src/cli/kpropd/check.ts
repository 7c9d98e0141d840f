import { writeSync } from 'node:fs';

import { isKpropError } from '../../errors/kprop-error.ts';
import type { CheckFinding } from '../../server/check/finding.ts';

export type CheckForm = 'text' | 'json';

/**
 * Prints what a check of this host found, in words or as JSON. The exit status: 0 if all is well, 1 if
 * something is doubtful or unknown, 2 if something is wrong.
 */
export async function printCheck(
  form: CheckForm,
  check: () => Promise<readonly CheckFinding[]>,
): Promise<0 | 1 | 2> {
  const findings = await check().catch((error: unknown) => [failedToStart(error)]);
  const has = (state: CheckFinding['state']) => findings.some((each) => each.state === state);
  const exit = has('failure') ? 2 : has('warning') || has('unknown') ? 1 : 0;
  const report = { schema: 'kpropd.check/1', at: new Date().toISOString(), exit, findings };
  writeAll(form === 'json' ? `${JSON.stringify(report)}\n` : textOf(findings));
  return exit;
}

/** With this configuration no kpropd starts. */
function failedToStart(error: unknown): CheckFinding {
  const [what, fix] = isKpropError(error)
    ? [error.message, error.remedy]
    : [error instanceof Error ? error.message : `${error}`, 'report this to the authors'];
  return { check: 'configuration', state: 'failure', what, fix };
}

function textOf(findings: readonly CheckFinding[]): string {
  const lines = findings.flatMap(({ state, what, fix }) => {
    return [`${marks[state]} ${what}`, ...(fix === '' ? [] : [`    ${fix}`])];
  });
  const many = (state: CheckFinding['state'], word: string, words = `${word}s`) => {
    const count = findings.filter((each) => each.state === state).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? word : words}`];
  };
  const counts = [
    ...many('failure', 'problem'),
    ...many('warning', 'warning'),
    ...many('unknown', 'unknown', 'unknown'),
  ];
  return `${lines.join('\n')}\n${counts.join(', ') || 'no problems'}.\n`;
}

/** At once, for the process ends after that. */
function writeAll(text: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(1, bytes, done);
  } catch {
    // Nobody reads it; the exit status tells.
  }
}

const marks = { ok: '✓', warning: '!', failure: '✗', unknown: '?' } as const;

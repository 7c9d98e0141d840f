import { hostname } from 'node:os';

import { oneLine } from '../show/words.ts';
import type { Diagnosis, Finding } from './finding.ts';

const marks = { ok: '✓', warning: '!', failure: '✗', unknown: '?' } as const;

/** A diagnosis for people: host by host, what was found and what to do, and how much is wrong. */
export function diagnosisText({ findings }: Diagnosis): string {
  const lines: string[] = [];
  let on = '';
  for (const finding of findings) {
    if (finding.on !== on) {
      on = finding.on;
      lines.push(on === 'here' ? `${hostname()} (here)` : on);
    }
    lines.push(...linesOf(finding));
  }
  lines.push(`${summaryOf(findings)}.`);
  return `${lines.join('\n')}\n`;
}

function linesOf({ state, what, fix }: Finding): readonly string[] {
  const line = `  ${marks[state]} ${oneLine(what)}`;
  return fix === '' ? [line] : [line, `      ${oneLine(fix)}`];
}

function summaryOf(findings: readonly Finding[]): string {
  const count = (state: Finding['state']) => findings.filter((one) => one.state === state).length;
  const many = (number: number, word: string) =>
    number === 0 ? [] : [`${number} ${word}${number === 1 || word === 'unknown' ? '' : 's'}`];
  const parts = [
    ...many(count('failure'), 'problem'),
    ...many(count('warning'), 'warning'),
    ...many(count('unknown'), 'unknown'),
  ];
  return parts.length === 0 ? 'no problems' : parts.join(', ');
}

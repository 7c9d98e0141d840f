import { isKpropError } from '../../errors/kprop-error.ts';

/** What is looked at. */
export type CheckName =
  | 'configuration'
  | 'name'
  | 'keytab'
  | 'ACL'
  | 'stash'
  | 'database'
  | 'spool'
  | 'space'
  | 'loader'
  | 'port'
  | 'user'
  | 'unit'
  | 'service'
  | 'iprop';

/** One thing that was looked at on a replica. */
export interface CheckFinding {
  readonly check: CheckName;
  /** `unknown` if it could not be found out. */
  readonly state: 'ok' | 'warning' | 'failure' | 'unknown';
  /** What was found, in one line. */
  readonly what: string;
  /** A command to type or a line to write, in one line; empty if there is nothing to do. */
  readonly fix: string;
}

export const ok = (check: CheckName, what: string) => finding(check, 'ok', what, '');

export const failure = (check: CheckName, what: string, fix: string) =>
  finding(check, 'failure', what, fix);

export const warning = (check: CheckName, what: string, fix: string) =>
  finding(check, 'warning', what, fix);

export const unknown = (check: CheckName, what: string, fix: string) =>
  finding(check, 'unknown', what, fix);

/** An error as a finding: a failure if it says what to do about it. */
export function failed(check: CheckName, error: unknown): CheckFinding {
  if (isKpropError(error)) return failure(check, error.message, error.remedy);
  const text = error instanceof Error ? error.message : `${error}`;
  return unknown(check, `this could not be looked at: ${text}`, 'report this to the authors');
}

function finding(
  check: CheckName,
  state: CheckFinding['state'],
  what: string,
  fix: string,
): CheckFinding {
  return { check, state, what: onOneLine(what), fix: onOneLine(fix) };
}

/** What stands in files must not reach a terminal as more than text. */
function onOneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').trim();
}

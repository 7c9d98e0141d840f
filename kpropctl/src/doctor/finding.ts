import { noteOf } from '../run/report.ts';

/** One thing that was looked at. */
export interface Finding {
  /** A replica, or `here`. */
  readonly on: string;
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failure' | 'unknown';
  /** What was found, in one line. */
  readonly what: string;
  /** What to do about it, as fix.ts writes it; empty if nothing. */
  readonly fix: string;
}

/** The contract of `doctor --json`. */
export interface Diagnosis {
  readonly schema: 'kpropctl.doctor/1';
  readonly at: string;
  readonly exit: 0 | 1 | 2;
  readonly findings: readonly Finding[];
}

export function ok(on: string, check: string, what: string): Finding {
  return { on, check, state: 'ok', what, fix: '' };
}

export function failure(on: string, check: string, what: string, fix: string): Finding {
  return { on, check, state: 'failure', what, fix };
}

export function warning(on: string, check: string, what: string, fix: string): Finding {
  return { on, check, state: 'warning', what, fix };
}

export function unknown(on: string, check: string, what: string, fix = ''): Finding {
  return { on, check, state: 'unknown', what, fix };
}

/** An error as a finding, with its own remedy. */
export function failed(on: string, check: string, error: unknown): Finding {
  const { message, remedy } = noteOf(error);
  return failure(on, check, message, remedy);
}

export function diagnosisOf(findings: readonly Finding[]): Diagnosis {
  const has = (state: Finding['state']) => findings.some((finding) => finding.state === state);
  return {
    schema: 'kpropctl.doctor/1',
    at: new Date().toISOString(),
    exit: has('failure') ? 2 : has('warning') || has('unknown') ? 1 : 0,
    findings,
  };
}

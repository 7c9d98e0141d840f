import { readdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

import type { Settings } from '../config/settings.ts';
import type { ErrorNote } from '../state/state.ts';
import { note } from './report.ts';
import { isSameHost } from './same-host.ts';

/** Why this host must not propagate; undefined if it may. */
export function notPrimary({ primary, file }: Settings): ErrorNote | undefined {
  const here = hostname().toLowerCase();
  if (primary !== undefined && !isSameHost(primary.toLowerCase(), here)) {
    return note(
      'other-primary',
      `this host is ${here}, and primary in ${file} is ${primary}`,
      'run kpropctl there; after a change of the primary, correct the relation here, or use --force',
    );
  }
  if (!runsHere('kadmind')) {
    return note(
      'no-kadmind',
      'kadmind does not run on this host, so it is probably not the primary',
      'run kpropctl on the primary; if changes are made by kadmin.local alone, use --force',
    );
  }
  return undefined;
}

/** Whether a program of this name runs on this host. */
export function runsHere(program: string): boolean {
  return readdirSync('/proc').some((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === program;
    } catch {
      return false;
    }
  });
}

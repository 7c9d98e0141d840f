import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import type { Settings } from '../config/settings.ts';

const queryMillis = 30_000;

/**
 * What kadmin.local says to a query, on both of its outputs: its exit status is 0 whatever happens.
 * @throws Error if it cannot be run
 */
export async function kadminLocal(
  { kadminLocal: program, realm }: Pick<Settings, 'kadminLocal' | 'realm'>,
  query: string,
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(program, ['-r', realm, '-q', query], {
    env: environment,
    timeout: queryMillis,
  });
  return `${stdout}${stderr}`;
}

/** Whether its answer to getprinc is that there is no such principal; a policy may be missing as well. */
export function saysMissing(text: string): boolean {
  return /^get_principal: Principal does not exist/m.test(text);
}

/** The line in which kadmin.local says what is wrong. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? 'kadmin.local said nothing';
}

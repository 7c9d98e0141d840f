import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Surroundings } from '../commands.ts';
import { exits } from '../run/report.ts';

/** Shows the manual page with man(1). */
export async function manCommand({ error }: Surroundings): Promise<number> {
  const page = fileURLToPath(new URL('../../dist/man/kpropctl.8', import.meta.url));
  const man = spawn('man', [page], { stdio: 'inherit' });
  try {
    const [status] = (await once(man, 'exit')) as [number | null];
    return status ?? 1;
  } catch {
    error.write(`kpropctl: there is no man(1) here; the page is ${page}\n`);
    return 1;
  }
}

const files: Readonly<Record<string, string>> = {
  bash: 'kpropctl.bash',
  zsh: '_kpropctl',
  fish: 'kpropctl.fish',
};

/** Prints the completions for a shell. */
export function completionCommand(shell: string, { out, error }: Surroundings): number {
  const file = Object.hasOwn(files, shell) ? files[shell] : undefined;
  if (file === undefined) {
    const known = Object.keys(files).join(', ');
    error.write(`kpropctl: no completions for ${shell}; there are some for ${known}\n`);
    return exits.usage;
  }
  out.write(readFileSync(new URL(`../../dist/completions/${file}`, import.meta.url), 'utf8'));
  return 0;
}

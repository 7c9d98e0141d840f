import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

export type Daemon = 'kpropd' | 'krb5kdc';

/** Units and init scripts by which systems know them, ours first. */
const units: Readonly<Record<Daemon, readonly string[]>> = {
  kpropd: ['kpropd.service', 'krb5-kpropd.service', 'kprop.service'],
  krb5kdc: ['krb5-kdc.service', 'krb5kdc.service'],
};
const scripts: Readonly<Record<Daemon, string>> = {
  kpropd: '/etc/init.d/krb5-kpropd',
  krb5kdc: '/etc/init.d/krb5-kdc',
};
const startMillis = 90_000;

/** Commands that start a daemon for good, one after the other; `byHand` if nothing here knows how. */
export interface Start {
  readonly commands: readonly (readonly [string, ...string[]])[];
  readonly byHand: boolean;
}

/** How a daemon is started, or started again, on this host. */
export async function startOf(daemon: Daemon): Promise<Start> {
  if (existsSync('/run/systemd/system')) {
    const known: string[] = [];
    for (const unit of units[daemon])
      if (await succeeds('systemctl', 'cat', unit)) known.push(unit);
    const active: string[] = [];
    for (const unit of known) if (await succeeds('systemctl', 'is-active', unit)) active.push(unit);
    const unit = active[0] ?? known[0];
    if (unit !== undefined) {
      return {
        commands: [
          ['systemctl', 'enable', unit],
          ['systemctl', 'restart', unit],
        ],
        byHand: false,
      };
    }
  }
  const script = scripts[daemon];
  if (existsSync(script)) return { commands: [[script, 'restart']], byHand: false };
  return { commands: [[daemon]], byHand: true };
}

/** Runs them; what the first that failed said, in one line, or undefined. */
export async function runStart({ commands }: Start): Promise<string | undefined> {
  for (const [program, ...args] of commands) {
    try {
      await promisify(execFile)(program, args, { timeout: startMillis });
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: string };
      return (stderr?.trim() || message).split('\n')[0] ?? '';
    }
  }
  return undefined;
}

export function startText({ commands }: Start): string {
  return commands.map((command) => command.join(' ')).join(' && ');
}

async function succeeds(program: string, ...args: readonly string[]): Promise<boolean> {
  return promisify(execFile)(program, args, { timeout: startMillis }).then(
    () => true,
    () => false,
  );
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { runsHere } from '../run/primary.ts';

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

/** How a daemon is started here for good. */
export interface Start {
  readonly daemon: Daemon;
  /** One after the other. */
  readonly commands: readonly (readonly [string, ...string[]])[];
  /** `hand`: nothing here knows how, so that it is left to the administrator. */
  readonly by: 'systemd' | 'script' | 'hand';
}

/** How a daemon is started, or started again, on this host. `path` is the PATH of this process. */
export async function startOf(daemon: Daemon, path: string): Promise<Start> {
  if (existsSync('/run/systemd/system')) {
    const unit = await unitOf(daemon);
    if (unit !== undefined) {
      const commands = (['enable', 'restart'] as const).map(
        (verb) => ['systemctl', verb, unit] as const,
      );
      return { daemon, commands, by: 'systemd' };
    }
  }
  const script = scripts[daemon];
  const program = programOf(daemon, path);
  // The script of the package starts MIT's program, whatever comes first in the PATH.
  if (existsSync(script) && program === `/usr/sbin/${daemon}`) {
    return { daemon, commands: [[script, 'restart']], by: 'script' };
  }
  return { daemon, commands: [[program]], by: 'hand' };
}

/** The unit that runs already, else the one that starts at boot (not both: they conflict), else the first. */
async function unitOf(daemon: Daemon): Promise<string | undefined> {
  const known: string[] = [];
  for (const unit of units[daemon]) {
    if (await succeeds('systemctl', 'cat', unit)) known.push(unit);
  }
  for (const question of ['is-active', 'is-enabled']) {
    for (const unit of known) {
      if (await succeeds('systemctl', question, unit)) return unit;
    }
  }
  return known[0];
}

function programOf(daemon: Daemon, path: string): string {
  const folders = [...path.split(':').filter((folder) => folder !== ''), '/usr/sbin'];
  const folder = folders.find((each) => existsSync(join(each, daemon)));
  return folder === undefined ? daemon : join(folder, daemon);
}

/** Runs the commands. What the first one that failed said, in one line; undefined if it runs. */
export async function runStart({ daemon, commands, by }: Start): Promise<string | undefined> {
  for (const [program, ...args] of commands) {
    try {
      await promisify(execFile)(program, args, { timeout: startMillis });
    } catch (error) {
      const { message, stderr } = error as Error & { stderr?: string };
      return (stderr?.trim() || message).split('\n')[0] ?? '';
    }
  }
  if (by === 'systemd') return undefined;
  // A script of sysvinit ends with 0 even if its daemon does not start.
  for (let waited = 0; waited < settleMillis; waited += lookMillis) {
    if (runsHere(daemon)) return undefined;
    await sleep(lookMillis);
  }
  return `${startText({ commands })} ended well, and no ${daemon} runs: see its log`;
}

export function startText({ commands }: Pick<Start, 'commands'>): string {
  return commands.map((command) => command.join(' ')).join(' && ');
}

async function succeeds(program: string, ...args: readonly string[]): Promise<boolean> {
  return promisify(execFile)(program, args, { timeout: startMillis }).then(
    () => true,
    () => false,
  );
}

const settleMillis = 3_000;
const lookMillis = 100;
